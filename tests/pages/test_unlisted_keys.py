"""Test that pages and mails claim nothing about keys that Cerby does not list, as in assisted mode."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from keys.actions.notifications.deliver import deliver_due
from keys.jobs.reminders import remind_owners
from keys.jobs.schedule import make_rows
from keys.jobs.tasks import people, sweep
from keys.models import ApiKey, PeriodicJob
from keys.rules.lifecycle import State
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from tests.cast import a_key
from tests.pages.helpers import csv_rows, details, elements, names, rows, text, the, within, words

DAY = timedelta(days=1)
NO_LIST = "Cerby publishes no list of API keys"


@pytest.fixture
def assisted(settings, sandbox, db):
    settings.CERBY_ISSUE_MODE, settings.CERBY_TOKEN = "assisted", ""
    make_rows()


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def old(cast) -> dict[str, ApiKey]:
    """Create old keys: one that Cerby listed once, with and without a use, and one that it never listed."""
    facts = {"created_at": timezone.now() - 200 * DAY, "confirmed_at": timezone.now() - 100 * DAY}
    used = timezone.now() - 120 * DAY
    return {
        "used": a_key(cast.owner, name="Used", last_used_at=used, **facts),
        "unused": a_key(cast.owner, name="Unused", **facts),
        "declared": a_key(
            cast.owner, name="Declared", origin="declared", cerby_id=None, **facts | {"confirmed_at": None}
        ),
    }


def signs(response) -> dict[str, str]:
    listed = within(elements(response, "ul", class_="health-lines")[0], "div")
    return {words(within(sign, "a")[0]): words(within(sign, "small")[0]) for sign in listed}


def needs(response) -> set[str]:
    return {words(option) for option in within(the(response, id="id_needs"), "option")}


def test_the_inventory_says_that_it_is_not_compared(assisted, admin, old):
    sweep.func()
    response = admin.get("/keys/")
    assert words(the(response, id="freshness")).startswith(
        f"{NO_LIST}, so the portal cannot compare the inventory with it. The table shows what was entered here. "
        "None of 3 active keys was confirmed against Cerby's web app since"
    )
    used = {row["Name"]: row["Last known use"] for row in rows(response)}
    assert used["Unused"] == used["Declared"] == "Not known"
    assert used["Used"] not in {"Not known", "Never"}


def test_no_filter_claims_to_know_the_last_use(assisted, admin, old):
    assert not {"Never used", "Unused for 90 days", "Unused for 45 days"} & needs(admin.get("/keys/"))
    for need in ("never-used", "unused-90", "unused-45"):
        assert "Cerby does not publish when a key was last used" in text(admin.get(f"/keys/?needs={need}"))


def test_a_key_that_the_server_has_not_listed_yet_is_not_counted_as_unused(admin, old):
    """This holds in direct mode, too."""
    assert set(names(admin.get("/keys/?needs=never-used"))) == {"Unused"}
    assert set(names(admin.get("/keys/?needs=unused-90"))) == {"Unused", "Used"}
    used = {row["Name"]: row["Last used"] for row in rows(admin.get("/keys/"))}
    assert (used["Unused"], used["Declared"]) == ("Never", "Not known")
    assert details(admin.get(f"/keys/{old['declared'].pk}/"))["Last used"].startswith("Not known")


def test_the_export_tells_never_from_not_known(settings, sandbox, admin, old):
    assert _exported(admin) == {"Unused": "", "Declared": "not known"}
    settings.CERBY_ISSUE_MODE = "assisted"
    assert _exported(admin) == {"Unused": "not known", "Declared": "not known"}


def _exported(admin) -> dict[str, str]:
    header, *lines = csv_rows(admin.get("/keys/export/"))
    found = {line[header.index("Name")]: line[header.index("Last used (UTC)")] for line in lines}
    return {name: used for name, used in found.items() if name in {"Unused", "Declared"}}


def test_the_page_of_a_key_promises_nothing(assisted, admin, old):
    said = details(admin.get(f"/keys/{old['declared'].pk}/"))
    assert said["Last used"].startswith("Not known Cerby does not publish it.")
    assert "As entered here" in said["Expires"]
    assert "Confirmed by Cerby" not in said
    said = details(admin.get(f"/keys/{old['used'].pk}/"))
    assert said["Last used"].endswith("The portal cannot see later uses.")
    assert said["Confirmed by Cerby"]


def test_the_dashboard_counts_no_unknown_uses_and_promises_no_deletion(assisted, admin, old):
    sweep.func()
    people.func()
    response = admin.get("/")
    said = text(response)
    for claim in (
        "Unused for",
        "Never used",
        "Missing in Cerby",
        "Comparisons with Cerby stopped",
        "Compared just now",
    ):
        assert claim not in said
    found = signs(response)
    assert found["Cerby"] == f"Roles were read just now. {NO_LIST}."
    assert found["Automatic deletion"] == "None: people delete keys in Cerby's web app."


def test_an_outage_of_cerby_is_seen_in_assisted_mode(assisted, admin, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    sweep.func()
    people.func()
    assert PeriodicJob.objects.get(name="sweep").succeeded
    assert signs(admin.get("/"))["Cerby"].startswith("Roles were last read never. Cerby could not be asked")
    alerts = {alert.heading: alert.words for alert in active_alerts(timezone.now(), audit_health())}
    assert "no connection could be made" in alerts["The portal cannot read from Cerby"]


def test_a_former_assisted_mode_counts_as_no_comparison(assisted, admin, settings):
    sweep.func()
    settings.CERBY_ISSUE_MODE = "direct"
    assert "has not been compared with Cerby yet" in words(the(admin.get("/keys/"), id="freshness"))


def test_the_roles_page_says_what_only_people_can_do_in_cerby(assisted, admin):
    said = {row["Action"]: row for row in rows(admin.get("/roles/"))}
    [widen] = [action for action in said if action.startswith("Add scopes")]
    assert "only people in Cerby's web app" in widen


def test_a_reminder_promises_no_removal(assisted, cast):
    due = timezone.now() + 47 * timedelta(hours=1)
    a_key(
        cast.admin,
        name="Pasted",
        state=State.CLAIMED,
        origin="pasted",
        cerby_id=None,
        stored_at=None,
        due_at=due,
        expires_at=timezone.now() + 300 * DAY,
        pepper_id="p1",
        fingerprint=b"x" * 32,
    )
    a_key(cast.owner, expires_at=timezone.now() + 6 * DAY, created_at=timezone.now() - 90 * DAY)
    assert remind_owners() == "Mails written: 2"
    deliver_due()
    unstored, expiring = sorted(
        (str(letter.body) for letter in mail.outbox), key=lambda body: "expires" in body
    )
    assert "“Pasted” was pasted, but nobody has confirmed that it is stored" in unstored
    assert "removed" not in unstored
    assert "as entered in the portal" in expiring
