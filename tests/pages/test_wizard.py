"""Test the wizard with valid input: its two pages, and the key that they generate."""

from __future__ import annotations

import re
import uuid

import pytest

from keys.models import ApiKey
from keys.rules.scopes import EXTRA, PUBLISHED
from tests.pages.helpers import HTMX, attribute, elements, events, text, the, words
from tests.pages.journey import DETAILS, GENERATE, NEW, SCOPES, Tab, answers


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def labels(response) -> dict[str, str]:
    """Return the id of each field by its label."""
    return {words(label): attribute(label, "for") or "" for label in elements(response, "label")}


def value_of(response, name: str) -> str | None:
    field = the(response, name=name)
    if field.name == "textarea":
        return words(field)
    if field.name == "select":
        [chosen] = [option for option in field.children if ("selected", None) in option.attributes]
        return attribute(chosen, "value")
    return attribute(field, "value")


def ticked(response) -> list[str | None]:
    return [attribute(box, "value") for box in elements(response, "input", name="scopes", checked=None)]


def posts_to_cerby(sandbox) -> list[dict]:
    return [
        seen for seen in sandbox.journal() if seen["method"] == "POST" and seen["path"].endswith("/api-keys")
    ]


def test_step_1_asks_for_name_expiration_and_purpose(admin):
    response = admin.get(NEW)
    assert words(the(response, "h1")) == "Generate API key"
    assert {"API key name", "Expiration time", "Date", "Time", "Purpose"} <= labels(response).keys()
    options = [words(option) for option in the(response, id=labels(response)["Expiration time"]).children]
    assert options == ["1 hour", "12 hours", "1 day", "5 days", "1 year", "Custom"]
    assert words(the(response, "button", id="wizard-next")) == "Next"
    assert words(the(response, "li", aria_current="step")) == "Details"
    assert "JavaScript" in words(the(response, "noscript"))


def test_each_wizard_gets_a_new_id(admin):
    first, second = (uuid.UUID(value_of(admin.get(NEW), "id")) for _ in range(2))
    assert first != second


def test_step_2_offers_the_nine_scopes_in_order_then_the_others(admin):
    response = admin.post(SCOPES, answers(scopes=None))
    assert response.status_code == 200
    assert "Select scopes" in [words(heading) for heading in elements(response, "h2")]
    boxes = elements(response, "input", name="scopes")
    assert [attribute(box, "value") for box in boxes] == [scope.id for scope in (*PUBLISHED, *EXTRA)]
    assert ticked(response) == []
    shown = [words(label) for label in elements(response, "label")]
    for line, scope in zip(shown, (*PUBLISHED, *EXTRA), strict=True):
        assert line.startswith(scope.label)
        assert scope.description in line
        assert ("higher risk" in line) is scope.writes


def test_extra_scopes_are_offered_only_if_configured(admin, settings):
    settings.PORTAL_EXTRA_SCOPES = False
    boxes = elements(admin.post(SCOPES, answers(scopes=None)), "input", name="scopes")
    assert [attribute(box, "value") for box in boxes] == [scope.id for scope in PUBLISHED]


@pytest.mark.parametrize("expiration", ["1h", "12h", "1d", "5d", "1y"])
def test_the_expiry_is_read_back_in_words(admin, expiration):
    admin.cookies["portal-tz"] = "Europe/Berlin"
    response = admin.post(SCOPES, answers(expiration=expiration, scopes=None))
    lead = words(the(response, "p", class_="lead"))
    assert re.search(
        r"will expire on \w+day \d{1,2} \w+ \d{4}, \d\d:\d\d \(Europe/Berlin\), in \d+ (minute|hour|day)",
        lead,
    )


def test_back_keeps_everything(admin):
    typed = answers(
        name="Ärger & <b>Co</b>",
        expiration="custom",
        expires_date="2027-02-03",
        expires_time="14:30",
        scopes=None,
    )
    response = admin.post(DETAILS, typed)
    assert response.status_code == 200
    for name in ("id", "name", "expiration", "expires_date", "expires_time", "purpose"):
        assert value_of(response, name) == typed[name], name


def test_step_2_carries_step_1_along(admin):
    typed = answers(scopes=None)
    response = admin.post(SCOPES, typed)
    for name in ("id", "tab_key", "name", "expiration", "purpose", "time_zone"):
        assert value_of(response, name) == typed[name], name


@pytest.mark.parametrize("url", [DETAILS, SCOPES])
def test_htmx_gets_the_step_alone(admin, url):
    response = admin.post(url, answers(), headers=HTMX)
    assert elements(response, "form", id="wizard-form")
    assert not elements(response, "h1")
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize("url", [NEW, SCOPES, DETAILS])
def test_no_step_is_kept_by_a_cache(admin, url):
    response = admin.get(url) if url == NEW else admin.post(url, answers())
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", ["owner", "super_admin", "admin"])
def test_generating_leads_to_the_store_page_and_the_key_is_the_persons_own(browser_of, cast, sandbox, name):
    sent = answers(scopes=["write:automations", "read:users"], expiration="5d")
    response = browser_of(name).post(GENERATE, sent)
    assert response.status_code == 302
    assert response["Location"] == f"/keys/{sent['id']}/store/"
    key = ApiKey.objects.get(pk=sent["id"])
    assert (key.name, key.purpose) == (sent["name"], sent["purpose"])
    assert key.owner_id == cast[name].pk
    assert key.scopes == ["read:users", "write:automations"]
    assert (key.expires_at - key.created_at).days in {4, 5}
    assert [event.type for event in events(key_id=key.pk)] == ["key:request", "key:call", "key:issue"]
    [post] = posts_to_cerby(sandbox)
    assert (post["external_id"], post["status"]) == (sent["id"], 201)


def test_under_htmx_the_page_itself_moves_on(admin):
    sent = answers()
    response = admin.post(GENERATE, sent, headers=HTMX)
    assert response["HX-Redirect"] == f"/keys/{sent['id']}/store/"
    assert "Location" not in response


def test_the_plain_text_is_in_no_answer_and_no_row(admin):
    sent = answers(tab := Tab())
    generated = admin.post(GENERATE, sent)
    store = admin.get(generated["Location"])
    claimed = admin.post(f"{generated['Location']}claim/").json()["sealed"]
    key = ApiKey.objects.get(pk=sent["id"])
    secret = tab.open(claimed, key_id=key.pk, user_id=key.owner_id)
    assert secret.startswith("sbx_")
    assert secret.endswith(key.last_four)
    for place in (generated.content, store.content, repr(events()).encode(), str(vars(key)).encode()):
        assert secret.encode() not in place


def test_a_double_submit_makes_one_key_and_leads_to_it_twice(admin, sandbox):
    sent = answers()
    first, second = (admin.post(GENERATE, sent) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert first["Location"] == second["Location"] == f"/keys/{sent['id']}/store/"
    assert len(posts_to_cerby(sandbox)) == 1
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Another report"},
        {"purpose": "Something else."},
        {"scopes": ["read:teams"]},
        {"expiration": "5d"},
    ],
)
def test_a_tab_with_a_used_id_does_not_lead_to_the_other_tabs_key(admin, sandbox, changes):
    first = answers(name="Payroll")
    admin.post(GENERATE, first)
    response = admin.post(GENERATE, first | changes)
    assert response.status_code == 409
    assert "Another tab has used this request for “Payroll”" in text(response)
    again = {name: value_of(response, name) for name in ("id", "name", "expiration", "purpose")}
    assert again["id"] != first["id"]
    assert again["name"] == (first | changes)["name"]
    assert len(posts_to_cerby(sandbox)) == 1
    assert ApiKey.objects.get().purpose == first["purpose"]


def test_two_people_cannot_give_two_keys_one_name(admin, browser_of, sandbox):
    assert admin.post(GENERATE, answers(name="Payroll")).status_code == 302
    response = browser_of("owner").post(GENERATE, answers(name="payroll"))
    assert response.status_code == 422
    assert "already a key called" in words(the(response, id="id_name_error"))
    assert len(posts_to_cerby(sandbox)) == 1


def test_a_name_is_free_again_when_its_key_is_removed(admin):
    sent = answers(name="Payroll")
    admin.post(GENERATE, sent)
    admin.post(f"/keys/{sent['id']}/delete/")
    assert admin.post(GENERATE, answers(name="Payroll")).status_code == 302
