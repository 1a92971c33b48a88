"""Start and end the quarantine by hand, and keep held keys."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.actions.keys.reconcile import reconcile_due
from keys.actions.safeguards.keep import keep_key
from keys.actions.safeguards.quarantine import Cause, end_quarantine, may_revoke, start_quarantine
from keys.evidence.row_check import contradictions
from keys.models import ApiKey, AuditEvent, HeldBack, Quarantine
from keys.rules.errors import Conflict, NotAllowed, NotFound
from keys.rules.lifecycle import State
from keys.selectors.health.safeguards import active_quarantine, safeguards
from tests.cast import a_key, a_live_key, actor, with_a_life
from tests.support.background import state_of


def test_a_second_start_changes_nothing(db):
    assert start_quarantine(Cause.OPERATOR, "First.")
    assert not start_quarantine(Cause.CLOCK, "Second.")
    assert active_quarantine().reason == "First."
    assert AuditEvent.objects.filter(type="quarantine:start").count() == 1


@pytest.mark.parametrize("name", ["admin", "user"])
def test_only_the_highest_roles_end_it_and_keep_keys(cast, sandbox, name):
    key, _ = a_live_key(sandbox, cast.admin, state=State.READY, due_at=timezone.now(), stored_at=None)
    with_a_life(key)
    start_quarantine(Cause.OPERATOR, "A restore.")
    reconcile_due()
    with pytest.raises(NotAllowed):
        end_quarantine(actor(cast[name]))
    with pytest.raises(NotAllowed):
        keep_key(actor(cast[name]), key.pk)
    assert active_quarantine()
    assert AuditEvent.objects.filter(type="attempt:refuse").count() == 2


def test_a_quarantine_that_somebody_ends_in_the_database_stays_on(cast):
    start_quarantine(Cause.OPERATOR, "A backup was restored.")
    Quarantine.objects.update(since=None, cause="", reason="")
    assert any("The quarantine is off in its row" in one.words for one in contradictions())
    assert not may_revoke()
    row = Quarantine.objects.get()
    assert (row.cause, row.reason) == (Cause.OPERATOR, "A backup was restored.")
    end_quarantine(None)
    assert may_revoke()
    assert not [one for one in contradictions() if "quarantine" in one.words]


def test_ending_it_is_a_conflict_if_it_is_off(cast):
    with pytest.raises(Conflict):
        end_quarantine(actor(cast.owner))


def a_held_key(sandbox, owner, **columns) -> ApiKey:
    start_quarantine(Cause.OPERATOR, "A restore.")
    key, _ = a_live_key(sandbox, owner, **columns)
    HeldBack.objects.create(key=key, reason="R", since=timezone.now())
    return key


def test_only_held_keys_that_are_live_in_cerby_can_be_kept(cast, sandbox):
    me = actor(cast.owner)
    free, _ = a_live_key(sandbox, cast.admin, state=State.REVOKED, removed_at=timezone.now())
    with pytest.raises(NotFound):
        keep_key(me, free.pk)
    dead = a_held_key(sandbox, cast.admin, state=State.REVOKED, removed_at=timezone.now())
    sandbox.change_key(str(dead.cerby_id), removed=True)
    with pytest.raises(Conflict, match="cannot be kept"):
        keep_key(me, dead.pk)
    begun = a_held_key(sandbox, cast.admin, state=State.REVOKING)
    with pytest.raises(Conflict, match="has started"):
        keep_key(me, begun.pk)


def test_a_key_whose_name_is_taken_cannot_be_kept(cast, sandbox):
    key = a_held_key(sandbox, cast.admin, name="Nightly", state=State.REVOKED, removed_at=timezone.now())
    a_key(cast.admin, name="nightly")
    with pytest.raises(Conflict, match="Another key is now called"):
        keep_key(actor(cast.owner), key.pk)
    assert state_of(key) == State.REVOKED
    assert HeldBack.objects.filter(pk=key.pk).exists()


def command(*words: str) -> str:
    out = StringIO()
    call_command("quarantine", *words, stdout=out)
    return out.getvalue()


def test_the_command_starts_ends_and_shows_it(db):
    assert command() == "The quarantine is off.\n"
    assert "The quarantine has been on since" in command("on", "--reason", "Restored last night's backup.")
    assert "Restored last night's backup. 0 keys are held back." in command("status")
    assert command("off").endswith("The quarantine is off.\n")
    with pytest.raises(CommandError, match="no quarantine to end"):
        command("off")
    assert [event.type for event in AuditEvent.objects.order_by("id")] == [
        "quarantine:start",
        "quarantine:end",
    ]


def test_the_list_is_bounded(cast, sandbox):
    keys = [a_key(cast.admin) for _ in range(101)]
    start_quarantine(Cause.OPERATOR, "A restore.")
    HeldBack.objects.bulk_create([HeldBack(key=key, reason="R", since=timezone.now()) for key in keys])
    shown = safeguards(actor(cast.admin))
    assert (len(shown.held), shown.held_count, shown.may_end) == (100, 101, False)
