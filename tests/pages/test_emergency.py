"""Test the page Emergency: all keys of a team, system, vendor or agent stop, or a drill changes nothing."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.safeguards.quarantine import start_quarantine
from keys.models import ApiKey, Quarantine, Rotation, Selection
from keys.rules.folded_text import fold
from keys.rules.lifecycle import Phase, State
from tests.cast import a_key, a_live_key
from tests.domain.rotation.steps import an_old_key, begin
from tests.pages.helpers import attribute, events, links, reason_beside, rows, text, the
from tests.support.cases import in_one_test

PAGE = "/keys/emergency/"
Cause = Quarantine.Cause


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def live(sandbox, owner, **columns) -> ApiKey:
    for name in ("team", "system"):
        if name in columns:
            columns[f"{name}_order"] = fold(columns[name])
    return a_live_key(sandbox, owner, **columns)[0]


def works(sandbox) -> set[str]:
    return {row["name"] for row in sandbox.api_keys() if row["status"] == "active"} - {"Key portal"}


def started(browser, **entries) -> Selection:
    """Select the keys, start the act, and carry it out as the worker does."""
    chosen = browser.post(PAGE, entries)
    assert chosen.status_code == 302, text(chosen)
    act = "drill" if "drill" in entries else "stop"
    selection = Selection.objects.latest("made_at")
    confirmed = browser.post(f"/keys/bulk/{selection.pk}/start/", {"act": act, "reason": "It went wild."})
    assert confirmed.status_code == 302, text(confirmed)
    carry_out_bulk(selection.pk)
    return selection


@in_one_test(
    "entries, stopped",
    [
        ({"by": "team", "name": "payments"}, {"One"}),
        ({"by": "system", "name": "BigQuery"}, {"Two", "Three"}),
        ({"by": "agent"}, {"Three", "Four"}),
        ({"by": "agent", "name": "bigquery"}, {"Three"}),
        ({"by": "vendor"}, {"Five"}),
    ],
)
def test_it_stops_every_key_of_them_and_no_other(admin, cast, workspace, entries, stopped):
    sandbox = workspace.sandbox
    sandbox.restore(workspace.untouched)  # the cases share it
    live(sandbox, cast.owner, name="One", team="Payments")
    live(sandbox, cast.user, name="Two", system="BigQuery")
    live(sandbox, cast.user, name="Three", system="BigQuery", kind="agent")
    live(sandbox, cast.user, name="Four", kind="agent")
    live(sandbox, cast.user, name="Five", kind="vendor")
    before = works(sandbox)
    started(admin, **entries)
    assert before - works(sandbox) == stopped
    [event] = events(type="bulk:start")
    assert (event.reason, event.details["act"]) == ("It went wild.", "stop")
    assert len(events(type="key:delete")) == len(stopped)


def test_a_drill_changes_nothing_and_says_what_would_happen(admin, cast, workspace):
    key = live(workspace.sandbox, cast.user, kind="agent")
    selection = started(admin, by="agent", drill="yes")
    assert ApiKey.objects.get(pk=key.pk).state == State.HELD
    assert key.name in works(workspace.sandbox)
    assert "it would be stopped" in text(admin.get(f"/keys/bulk/{selection.pk}/"))
    assert not events(type="key:start-delete")


def test_more_than_fifty_keys_stop_at_once_and_their_number_is_typed(admin, cast, workspace, sandbox):
    for number in range(51):
        live(sandbox, cast.user, name=f"Agent {number}", kind="agent")
    chosen = admin.post(PAGE, {"by": "agent"})
    page = admin.get(chosen.url)
    assert "Stop 51 API keys?" in text(page)
    address = f"{chosen.url.partition('?')[0]}start/"
    for wrong in ({}, {"typed": "51"}, {"reason": "It went wild."}):
        assert admin.post(address, {"act": "stop", **wrong}).status_code == 422
    assert admin.post(address, {"act": "stop", "typed": "51", "reason": "It went wild."}).status_code == 302


def test_no_new_key_of_the_team_appears_after_the_stop(admin, cast, workspace):
    """A pending request is withdrawn, and a rotation ends with its new key, even if that is of no team."""
    sandbox = workspace.sandbox
    old, kept = (an_old_key(sandbox, cast.admin, name=name) for name in ("Old", "Kept"))
    for key in (old, kept):
        ApiKey.objects.filter(pk=key.pk).update(team="Payments", team_order=fold("Payments"))
    rotation = begin(cast.admin, old)
    new = a_key(
        cast.user, name="Asked for", state=State.REQUESTED, team="Payments", team_order=fold("Payments")
    )
    selection = started(admin, by="team", name="Payments")
    assert {"Old", "Kept", rotation.new.name}.isdisjoint(works(sandbox))
    ends = {key.name: key.state for key in ApiKey.objects.filter(pk__in=[old.pk, rotation.new_id, new.pk])}
    assert ends == {"Old": "revoked", rotation.new.name: "revoked", "Asked for": "absent"}
    assert not Rotation.objects.get(pk=rotation.pk).is_open
    assert "its new key stopped" in text(admin.get(f"/keys/bulk/{selection.pk}/"))
    assert "no new key appears afterwards" in text(admin.get(PAGE))


def test_a_key_for_which_cerby_is_being_asked_is_stopped_when_the_answer_is_there(
    admin, cast, workspace, monkeypatch
):
    """The answer arrives while the worker waits for it. The control skips the key, and it works afterwards."""
    key = live(workspace.sandbox, cast.user, team="Payments")
    soon = timezone.now() + timedelta(minutes=1)
    calling = {"state": State.CALLING, "phase": Phase.PENDING, "lease_until": soon, "lease": uuid.uuid4()}
    ApiKey.objects.filter(pk=key.pk).update(**calling)

    def answered(_seconds: float) -> None:
        ApiKey.objects.filter(pk=key.pk).update(state=State.READY, lease=None, lease_until=None)

    monkeypatch.setattr("keys.actions.bulk.carry_out.sleep", answered)
    started(admin, by="team", name="Payments")
    assert ApiKey.objects.get(pk=key.pk).state == State.REVOKED
    assert key.name not in works(workspace.sandbox)


def test_a_key_that_changed_meanwhile_is_stopped_as_well(admin, cast, workspace):
    key = live(workspace.sandbox, cast.user, kind="agent")
    admin.post(PAGE, {"by": "agent"})
    selection = Selection.objects.latest("made_at")
    ApiKey.objects.filter(pk=key.pk).update(purpose="Another one.", version=7)
    admin.post(f"/keys/bulk/{selection.pk}/start/", {"act": "stop", "reason": "It went wild."})
    carry_out_bulk(selection.pk)
    assert key.name not in works(workspace.sandbox)


def test_nothing_is_selected_by_an_empty_or_unknown_name(admin, cast):
    assert "Enter the name" in reason_beside(admin.post(PAGE, {"by": "team"}), "id_name")
    assert "No active key or request for one matches" in reason_beside(
        admin.post(PAGE, {"by": "team", "name": "X"}), "id_name"
    )
    assert not Selection.objects.exists()


def test_only_admins_may_use_it(browser_of, cast):
    assert browser_of("user").get(PAGE).status_code == 403
    [event] = events(type="attempt:refuse")
    assert event.details["action"] == "key:stop"


def test_the_page_offers_the_teams_and_systems_with_active_keys(admin, cast, sandbox):
    live(sandbox, cast.user, team="Payments", system="BigQuery")
    live(sandbox, cast.user, team="payments")
    live(sandbox, cast.user, team="Data", state=State.REVOKED, removed_at=timezone.now())
    page = admin.get(PAGE)
    assert [(row["Name"], row["Kind"], row["Active keys"]) for row in rows(page)] == [
        ("Payments", "Team", "2"),
        ("BigQuery", "System", "1"),
    ]
    chosen = admin.get(links(page)["Payments"])
    assert attribute(the(chosen, id="id_name"), "value") == "Payments"


def test_it_says_how_long_it_took_and_leads_to_the_stopped_keys(admin, cast, sandbox):
    live(sandbox, cast.user, name="Nightly", team="Payments")
    selection = started(admin, by="team", name="Payments")
    page = admin.get(f"/keys/bulk/{selection.pk}/")
    assert "seconds from the start to the last key." in text(page)
    assert "Nightly" in text(admin.get(links(page)["Back to the keys"]))


def test_a_quarantine_does_not_hold_up_an_emergency(admin, cast, sandbox):
    key = live(sandbox, cast.user, team="Payments")
    start_quarantine(Cause.OPERATOR, "A backup was restored.")
    started(admin, by="team", name="Payments")
    assert ApiKey.objects.get(pk=key.pk).state == State.REVOKED
