"""The life of a rotation: the portal takes the steps that it has proof of, and people retire the old key."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.actions.keys.delete import delete_key
from keys.actions.lineage.advance import advance_due
from keys.actions.rotation.call_off import call_off
from keys.actions.rotation.extend import extend_overlap
from keys.actions.rotation.kill import kill_old_key
from keys.actions.rotation.retire import retire_old_key
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, Notification, Rotation, User
from keys.rules.errors import CerbyNeverReached, Conflict, Invalid, NotAllowed
from keys.rules.lifecycle import State
from keys.rules.rotation import STEPS, RotationState, Step
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.rotation_alerts import rotation_alerts
from keys.verifier.verify_bundle import LONG_AGO, Verifier, read_leaf, rotation_states_after
from tests import cast as people
from tests.cast import a_key, signed_in
from tests.domain.rotation.steps import (
    DAY,
    HOUR,
    again,
    an_old_key,
    begin,
    request_for,
    see,
    set_state,
    state_of,
    store,
    stored,
    story_of,
)
from tests.pages.helpers import elements, links, rows
from tests.support.background import state_of as key_state
from tests.support.cases import in_one_test


def kinds_of_alerts() -> list[str]:
    return [alert.kind for alert in rotation_alerts()]


def wrong_events(*, skip: int | None = None) -> list[str]:
    """Return the events that the verifier of the audit log finds impossible, if event ``skip`` is missing."""
    verifier = Verifier({}, [], LONG_AGO)
    leaves = [read_leaf(bytes(event.leaf)) for event in AuditEvent.objects.exclude(pk=skip).order_by("id")]
    return [leaf["type"] for leaf in leaves if verifier.life_error(leaf)]


def proof_of(rotation: Rotation) -> str:
    event = AuditEvent.objects.filter(type__in=["rotation:retire", "rotation:kill"]).get(
        key_id=rotation.old_id
    )
    proof: str = event.details["proof"]
    assert proof == Rotation.objects.get(pk=rotation.pk).proof
    return proof


def test_a_rotation_goes_from_proof_to_proof_and_a_person_retires_the_old_key(cast, sandbox):
    old = an_old_key(sandbox, cast.admin, name="Nightly export")
    rotation = begin(cast.admin, old)
    assert (rotation.state, key_state(old)) == ("preparing", State.HELD)
    store(cast.admin, rotation)
    assert state_of(rotation) == "overlap"
    now = timezone.now()
    sweep()
    assert see(rotation, as_of=now) == "overlap"
    assert see(rotation, as_of=now + HOUR, new=now + HOUR, old=now) == "cut_over"
    assert see(rotation, as_of=now + 24 * HOUR) == "cut_over"
    assert see(rotation, as_of=now + 25 * HOUR) == "quiet"
    assert key_state(old) == State.HELD
    retire_old_key(people.actor(cast.admin), rotation.pk)
    assert (state_of(rotation), key_state(old), key_state(rotation.new)) == ("retired", "revoked", "held")
    assert story_of(rotation) == [
        ("start", "preparing"),
        ("advance", "overlap"),
        ("advance", "cut_over"),
        ("advance", "quiet"),
        ("retire", "retired"),
    ]
    assert proof_of(rotation) == "quiet"
    assert wrong_events() == []
    [stored_first, *_] = AuditEvent.objects.filter(type="rotation:advance").order_by("id")
    assert wrong_events(skip=stored_first.pk) == ["rotation:advance:done"]
    new = again(rotation).new
    assert (new.lineage, new.generation) == (old.pk, 2)
    assert begin(cast.admin, new, name="Nightly export · r3").new.generation == 3


def test_if_the_old_key_is_used_again_the_state_goes_back_and_nothing_is_killed(cast, sandbox):
    rotation, now = stored(sandbox, cast.admin), timezone.now()
    see(rotation, as_of=now + HOUR, new=now + HOUR)
    assert see(rotation, as_of=now + 30 * HOUR) == "quiet"
    assert kinds_of_alerts() == []
    assert see(rotation, as_of=now + 31 * HOUR, old=now + 31 * HOUR) == "overlap"
    assert kinds_of_alerts() == [AlertKind.ROTATION_USED_AGAIN]
    assert see(rotation, as_of=now + 40 * HOUR, old=now + 40 * HOUR, new=now + 40 * HOUR) == "overlap"
    assert story_of(rotation)[-1] == ("use-again", "overlap")
    assert (key_state(rotation.old), key_state(rotation.new)) == (State.HELD, State.HELD)
    assert see(rotation, as_of=now + 65 * HOUR) == "quiet"
    assert kinds_of_alerts() == []


def test_a_missed_deadline_raises_an_alert_and_kills_nothing_until_a_person_extends(cast, sandbox):
    rotation = stored(sandbox, cast.admin)
    Rotation.objects.filter(pk=rotation.pk).update(overlap_until=timezone.now())
    assert advance_due() == 1
    assert (state_of(rotation), key_state(rotation.old)) == ("overdue", State.HELD)
    assert kinds_of_alerts() == [AlertKind.ROTATION_OVERDUE]
    me = people.actor(cast.admin)
    with pytest.raises(Invalid):
        extend_overlap(me, rotation.pk, overlap=DAY, reason="")
    extend_overlap(me, rotation.pk, overlap=300 * DAY, reason="The team is on holiday.")
    after = again(rotation)
    assert (after.state, after.overlap_until) == ("overlap", after.old.expires_at)
    assert kinds_of_alerts() == []
    with pytest.raises(Invalid):
        extend_overlap(me, rotation.pk, overlap=DAY, reason="Once more.")


def test_a_cut_over_is_kept_while_the_rotation_is_overdue(cast, sandbox):
    rotation, now = stored(sandbox, cast.admin), timezone.now()
    set_state(rotation, RotationState.OVERDUE)
    assert see(rotation, as_of=now + HOUR, new=now + HOUR) == "overdue"
    assert again(rotation).used_at == now + HOUR
    assert see(rotation, as_of=now + 2 * HOUR, old=now + 2 * HOUR) == "overdue"
    assert kinds_of_alerts() == [AlertKind.ROTATION_OVERDUE, AlertKind.ROTATION_USED_AGAIN]
    assert [event for event, _ in story_of(rotation)[-2:]] == ["advance", "use-again"]
    see(rotation, as_of=now + 27 * HOUR)
    retire_old_key(people.actor(cast.admin), rotation.pk)
    assert proof_of(rotation) == "quiet"


def test_without_proof_retiring_needs_a_tick_and_a_reason(cast, sandbox):
    rotation, me = stored(sandbox, cast.admin), people.actor(cast.admin)
    with pytest.raises(Invalid) as unticked:
        retire_old_key(me, rotation.pk)
    assert unticked.value.fields.keys() == {"without_proof"}
    with pytest.raises(Invalid) as unexplained:
        retire_old_key(me, rotation.pk, without_proof=True)
    assert unexplained.value.fields.keys() == {"reason"}
    assert key_state(rotation.old) == State.HELD
    retire_old_key(me, rotation.pk, without_proof=True, reason="The robot is switched off.")
    assert (key_state(rotation.old), proof_of(rotation)) == (State.REVOKED, "none")


def test_kill_now_works_before_the_new_key_is_stored(cast, sandbox):
    rotation, me = begin(cast.admin, an_old_key(sandbox, cast.admin)), people.actor(cast.admin)
    with pytest.raises(Conflict):
        retire_old_key(me, rotation.pk, without_proof=True, reason="Why not.")
    kill_old_key(me, rotation.pk, reason="The key is on a public page.")
    assert (key_state(rotation.old), key_state(rotation.new)) == (State.REVOKED, State.READY)
    assert (state_of(rotation), proof_of(rotation)) == ("retired", "none")
    store(cast.admin, rotation)
    with pytest.raises(Conflict):
        kill_old_key(me, rotation.pk, reason="Again.")


def test_calling_off_deletes_the_new_key_unless_it_is_in_use(cast, sandbox):
    me = people.actor(cast.admin)
    rotation = stored(sandbox, cast.admin)
    call_off(me, rotation.pk, reason="The wrong key.")
    assert (state_of(rotation), key_state(rotation.old)) == ("called_off", State.HELD)
    assert key_state(rotation.new) == State.REVOKED
    repeated, now = begin(cast.admin, rotation.old), timezone.now()
    assert repeated.new.generation == 2
    store(cast.admin, repeated)
    see(repeated, as_of=now + HOUR, new=now)
    with pytest.raises(Conflict):
        call_off(me, repeated.pk, reason="Too late.")


def test_if_the_new_key_is_lost_the_rotation_is_called_off_and_the_old_key_stays(cast, sandbox, settings):
    old = an_old_key(sandbox, cast.admin)
    request = request_for(old)
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(CerbyNeverReached):
        begin(cast.admin, old, id=request.id)
    rotation = Rotation.objects.get()
    assert (rotation.state, key_state(old)) == ("called_off", State.HELD)


@in_one_test("end", ["old", "new"])
def test_a_key_that_ends_otherwise_ends_its_rotation(cast, sandbox, end):
    rotation = stored(sandbox, cast.admin)
    delete_key(people.actor(cast.admin), getattr(rotation, f"{end}_id"))
    assert state_of(rotation) == {"old": "retired", "new": "called_off"}[end]


def waits_for(person: User) -> list[tuple[str, str]]:
    """Return the words and the links of the inbox of ``person``."""
    page = signed_in(person).get("/inbox/")
    found = [row["What"] for row in rows(page)] if elements(page, "tbody") else []
    return [(said, links(page)[said]) for said in found]


def test_people_are_told_of_each_step_that_waits_for_them_until_it_is_settled(cast, sandbox):
    rotation, now = stored(sandbox, cast.admin, accountable=cast.user), timezone.now()
    path = f"/rotations/{rotation.pk}/"
    assert waits_for(cast.user) == []
    see(rotation, as_of=now + HOUR, new=now + HOUR)
    see(rotation, as_of=now + 30 * HOUR)
    [(said, link)] = waits_for(cast.user)
    assert ("You can retire the old key." in said, link) == (True, path)
    see(rotation, as_of=now + 31 * HOUR, old=now + 31 * HOUR)
    [(said, link)] = waits_for(cast.admin)
    assert ("was used again although the new key is in use" in said, link) == (True, path)
    Rotation.objects.filter(pk=rotation.pk).update(overlap_until=timezone.now())
    advance_due()
    for person in (cast.admin, cast.user):
        [(said, link)] = waits_for(person)
        assert ("without proof" in said, link) == (True, path)
    extend_overlap(people.actor(cast.admin), rotation.pk, overlap=DAY, reason="Not yet.")
    assert waits_for(cast.user) == []
    delete_key(people.actor(cast.admin), rotation.new_id)
    [(said, link)] = waits_for(cast.user)
    assert ("was called off" in said, link) == (True, path)
    kinds = Notification.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["rotation.due"] * 3 + ["rotation.moved"]


def test_if_nobody_is_left_the_highest_admins_are_told_of_a_rotation(cast, sandbox):
    rotation = stored(sandbox, cast.admin)
    User.objects.filter(pk=cast.admin.pk).update(is_active=False, left_at=timezone.now())
    Rotation.objects.filter(pk=rotation.pk).update(overlap_until=timezone.now())
    advance_due()
    assert [len(waits_for(person)) for person in (cast.owner, cast.super_admin, cast.user)] == [1, 1, 0]


def test_a_rotation_cannot_add_scopes_or_begin_twice(cast, sandbox):
    old = an_old_key(sandbox, cast.admin, scopes=["read:users", "read:teams"])
    with pytest.raises(Invalid) as wider:
        begin(cast.admin, old, scopes=("read:users", "read:items"))
    assert wider.value.fields.keys() == {"scopes"}
    assert not ApiKey.objects.exclude(pk=old.pk).exists()
    rotation = begin(cast.admin, old, scopes=("read:teams",))
    assert rotation.new.scopes == ["read:teams"]
    for key in (rotation.old, rotation.new):
        with pytest.raises(Conflict):
            begin(cast.admin, key, name="A third one")


def test_the_overlap_ends_no_later_than_the_old_key(cast, sandbox):
    soon = timezone.now().replace(microsecond=0) + 2 * DAY
    rotation = begin(cast.admin, an_old_key(sandbox, cast.admin, expires_at=soon))
    assert rotation.overlap_until == soon
    store(cast.admin, rotation)
    assert again(rotation).overlap_until == soon


def test_only_a_person_who_may_generate_rotates(cast, sandbox):
    old = an_old_key(sandbox, cast.user)
    with pytest.raises(NotAllowed):
        begin(cast.user, old)
    assert begin(cast.admin, old).new.owner == cast.admin


def test_the_database_allows_at_most_two_keys_in_use_in_one_lineage(cast):
    first = a_key(cast.admin)
    ApiKey.objects.filter(pk=first.pk).update(lineage=first.pk, generation=1)
    a_key(cast.admin, lineage=first.pk, generation=2)
    a_key(cast.admin, lineage=first.pk, generation=3, state=State.REVOKED, removed_at=timezone.now())
    for generation in (1, 2, 3, 4, None):
        with pytest.raises(IntegrityError, match=r"key_two_of_a_lineage"), transaction.atomic():
            a_key(cast.admin, lineage=first.pk, generation=generation)


def test_the_old_key_is_quiet_after_its_longest_gap_of_the_last_month(cast, sandbox):
    old, now = an_old_key(sandbox, cast.admin), timezone.now()
    for days in (20, 13, 12, 1):
        key = ApiKey.objects.get(pk=old.pk)
        ApiKey.objects.filter(pk=old.pk).update(**key.use_columns(now - days * DAY))
    assert begin(cast.admin, old).quiet_after == timedelta(days=11).total_seconds()


EVENT_OF = {
    **dict.fromkeys((Step.STORE, Step.USE, Step.FALL_QUIET, Step.USE_LATE), "rotation:advance:done"),
    **dict.fromkeys((Step.USE_AGAIN, Step.USE_AGAIN_LATE), "rotation:use-again:done"),
    **dict.fromkeys((Step.EXTEND, Step.REOPEN), "rotation:extend:done"),
    Step.MISS: "rotation:miss:done",
    Step.RETIRE: "rotation:retire:done",
    Step.CALL_OFF: "rotation:call-off:done",
}


def test_the_verifier_allows_exactly_the_steps_of_the_table():
    table = {
        (event, state.value, (target or state).value)
        for step, event in EVENT_OF.items()
        for state in STEPS[step][0]
        for target in [STEPS[step][1]]
    }
    grammar = {
        (event, state.value, after)
        for event in EVENT_OF.values()
        for state in RotationState
        for after in rotation_states_after(frozenset({state.value}), event)
    }
    assert grammar == table
    assert rotation_states_after(frozenset({"new"}), "rotation:start:done") == {"preparing"}
