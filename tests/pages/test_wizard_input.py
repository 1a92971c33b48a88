"""Test the wizard with invalid input: status 422, the error beside the field, and no input lost."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from keys.models import ApiKey
from tests.cast import a_key
from tests.pages.helpers import HTMX, attribute, elements, reason_beside, text, the, words
from tests.pages.journey import GENERATE, NEW, SCOPES, Tab, answers
from tests.pages.test_wizard import posts_to_cerby, value_of
from tests.support.cases import in_one_test

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture(autouse=True)
def _nothing_is_made(sandbox):
    yield
    assert posts_to_cerby(sandbox) == []


def custom(moment: datetime, **changes):
    """Return form data with a custom expiry at this wall-clock time."""
    return answers(
        expiration="custom", expires_date=f"{moment:%Y-%m-%d}", expires_time=f"{moment:%H:%M}", **changes
    )


@in_one_test("url, headers", [(SCOPES, {}), (SCOPES, HTMX), (GENERATE, HTMX)])
@in_one_test(
    "name, reason",
    [
        ("", "1 to 100 characters"),
        (" \t ", "1 to 100 characters"),
        ("\N{IDEOGRAPHIC SPACE}", "1 to 100 characters"),
        ("x" * 101, "101"),
        ("x" * 10_000, "10,000"),
        ("tab\there", "invisible character"),
        ("line\nbreak", "invisible character"),
        ("bell\x07", "invisible character"),
        ("null\x00", "ull"),
        ("zero\N{ZERO WIDTH SPACE}width", "invisible character"),
        ("\N{ZERO WIDTH JOINER}", "invisible character"),
        ("turned\N{RIGHT-TO-LEFT OVERRIDE}round", "invisible character"),
        ("line\N{LINE SEPARATOR}separator", "invisible character"),
        ("paragraph\N{PARAGRAPH SEPARATOR}s", "invisible character"),
        ("private \ue000", "invisible character"),
    ],
)
def test_names_that_cannot_be_used(admin, url, headers, name, reason):
    sent = answers(name=name)
    response = admin.post(url, sent, headers=headers)
    assert response.status_code == 422
    assert reason in reason_beside(response, "id_name")
    assert value_of(response, "purpose") == sent["purpose"]
    if name.isprintable() and name.strip():
        assert value_of(response, "name") == name


@in_one_test(
    "taken, wanted",
    [
        ("Payroll", "Payroll"),
        ("Payroll", "  PAYROLL "),
        ("Ärger", "Ärger"),
        ("Ärger", "ärger"),
        ("Ärger", "A\N{COMBINING DIAERESIS}rger"),
        ("Pay roll", "Pay\N{NO-BREAK SPACE}roll"),
    ],
)
def test_names_that_are_in_use(admin, cast, taken, wanted):
    a_key(cast.owner, name=taken)
    response = admin.post(SCOPES, answers(name=wanted))
    assert response.status_code == 422
    assert "already a key called" in reason_beside(response, "id_name")


@pytest.mark.parametrize(("purpose", "reason"), [("", "missing"), (" \n ", "missing"), ("x" * 501, "501")])
def test_purposes_that_cannot_be_used(admin, purpose, reason):
    response = admin.post(SCOPES, answers(purpose=purpose))
    assert response.status_code == 422
    assert reason in reason_beside(response, "id_purpose")


@pytest.mark.parametrize("expiration", ["", "forever", "1d' OR 1"])
def test_an_expiration_time_that_is_not_in_the_list(admin, expiration):
    response = admin.post(SCOPES, answers(expiration=expiration))
    assert response.status_code == 422
    assert reason_beside(response, "id_expiration")


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [
        (timedelta(days=-2), "past"),
        (timedelta(minutes=-2), "past"),
        (timedelta(minutes=5), "30 minutes"),
        (timedelta(days=368), "366 days"),
        (timedelta(days=365 * 70), "366 days"),
    ],
)
def test_custom_times_that_are_past_too_soon_or_too_far(admin, ahead, reason):
    response = admin.post(SCOPES, custom(datetime.now(BERLIN) + ahead))
    assert response.status_code == 422
    assert reason in reason_beside(response, "id_expires_date")


@in_one_test("day", ["0001-01-01", "9999-12-31"])
@in_one_test("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"])
def test_the_first_and_the_last_day_of_the_calendar(admin, day, zone):
    sent = answers(expiration="custom", expires_date=day, expires_time="23:59", time_zone=zone)
    response = admin.post(SCOPES, sent)
    assert response.status_code == 422
    assert reason_beside(response, "id_expires_date")


@pytest.mark.parametrize(
    ("day", "hour"), [("", ""), ("2027-01-01", ""), ("", "12:00"), ("soon", "12:00"), ("2027-02-30", "12:00")]
)
def test_half_a_custom_time(admin, day, hour):
    response = admin.post(SCOPES, answers(expiration="custom", expires_date=day, expires_time=hour))
    assert response.status_code == 422
    assert reason_beside(response, "id_expires_date")


def change_of_clocks(*, forward: bool) -> datetime:
    """Return a wall-clock time in the next hour that clocks in Berlin skip (or repeat)."""
    moment = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while True:
        before, after = moment.astimezone(BERLIN), (moment + timedelta(hours=1)).astimezone(BERLIN)
        step = after.utcoffset() - before.utcoffset()
        if step and (step > timedelta()) is forward:
            return before.replace(tzinfo=None) + timedelta(minutes=90 if forward else 30)
        moment += timedelta(hours=1)


@pytest.mark.parametrize(("forward", "said"), [(True, "never"), (False, "twice")])
def test_a_time_that_clocks_skip_or_show_twice(admin, forward, said):
    moment = change_of_clocks(forward=forward)
    response = admin.post(SCOPES, custom(moment))
    assert response.status_code == 422
    assert f"happens {said}" in reason_beside(response, "id_expires_date")
    assert value_of(response, "expires_time") == f"{moment:%H:%M}"
    later = admin.post(SCOPES, custom(moment + timedelta(hours=2)))
    assert later.status_code == 200


UNKNOWN_ZONES = ["Etc/Unknown", "", "undefined", "Mars/Olympus", "../../etc/passwd", "Europe", "x" * 5000]


@in_one_test("zone", UNKNOWN_ZONES)
def test_a_browser_without_a_known_zone_counts_in_the_zone_that_the_pages_show(admin, zone):
    assert "The time zone is UTC." in text(admin.get(NEW))
    moment = datetime.now(UTC) + timedelta(days=9)
    response = admin.post(SCOPES, custom(moment, time_zone=zone))
    assert response.status_code == 200
    assert f"{moment:%H:%M} (UTC), in 9 days" in text(response)


def test_an_unknown_zone_gives_way_to_that_of_the_cookie(admin, settings):
    admin.cookies[settings.TIME_ZONE_COOKIE_NAME] = "Asia/Tokyo"
    assert "The time zone is Asia/Tokyo." in text(admin.get(NEW))
    moment = datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=9)
    response = admin.post(SCOPES, custom(moment, time_zone="Etc/Unknown"))
    assert f"{moment:%H:%M} (Asia/Tokyo), in 9 days" in text(response)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ([], "at least one scope"),
        (["write:everything"], "not an available scope"),
        (["read:users", "<b>"], "not an available scope"),
        (["x" * 5000], "not an available scope"),
    ],
)
def test_scopes_that_cannot_be_used(admin, chosen, reason):
    sent = answers(scopes=chosen)
    response = admin.post(GENERATE, sent)
    assert response.status_code == 422
    assert reason in words(the(response, id="scopes_error"))
    fieldset = the(response, "fieldset", aria_describedby="scopes_error")
    assert fieldset.name == "fieldset"
    assert value_of(response, "name") == sent["name"]
    ticked = [attribute(box, "value") for box in elements(response, "input", name="scopes", checked=None)]
    assert ticked == [scope for scope in chosen if scope == "read:users"]


def test_a_scope_that_the_configuration_does_not_offer(admin, settings):
    settings.PORTAL_EXTRA_SCOPES = False
    response = admin.post(GENERATE, answers(scopes=["delete:teams"]))
    assert response.status_code == 422
    assert "not an available scope" in words(the(response, id="scopes_error"))


OFF_THE_CURVE = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@in_one_test(
    "damage",
    [
        lambda _key: None,
        lambda _key: "",
        lambda key: key[:-2],
        lambda key: f"{key}=",
        lambda key: key.swapcase(),
        lambda _key: "é" * 87,
        lambda _key: OFF_THE_CURVE,
    ],
)
def test_a_tab_without_a_usable_key_is_refused_before_cerby_is_asked(admin, damage):
    sent = answers(tab_key=damage(Tab().public))
    response = admin.post(GENERATE, sent)
    assert response.status_code == 422
    assert "public key" in text(response)
    assert value_of(response, "name") == sent["name"]
    assert ApiKey.objects.count() == 0


@in_one_test("id_", ["", "1", "not-an-id", None])
@in_one_test("url", [SCOPES, GENERATE])
def test_a_damaged_id_is_explained(admin, url, id_):
    response = admin.post(url, answers(id=id_))
    assert response.status_code == 422
    assert "Start over" in " ".join(words(alert) for alert in elements(response, role="alert"))


def test_somebody_elses_id_is_refused(admin, cast):
    theirs = a_key(cast.owner, name="Theirs")
    response = admin.post(GENERATE, answers(id=str(theirs.pk)))
    assert response.status_code == 409
    theirs.refresh_from_db()
    assert (theirs.name, theirs.owner_id) == ("Theirs", cast.owner.pk)


def test_forged_fields_change_nothing(admin, cast):
    forged = {
        "owner": cast.owner.pk,
        "owner_id": str(cast.owner.cerby_id),
        "state": "held",
        "cerby_id": str(uuid.uuid4()),
    }
    response = admin.post(SCOPES, answers(**forged))
    assert response.status_code == 200
    assert not any(elements(response, name=name) for name in forged)
