"""Test that each named constraint refuses invalid rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from keys.models import (
    Alert,
    Checkpoint,
    Comparison,
    DashboardFigures,
    DroppedValue,
    Finding,
    KeyScope,
    KeyTag,
    MacChain,
    Node,
    Pause,
    Quarantine,
    RefusalCount,
    Reminder,
    RevealGrant,
    SavedView,
    ScopeChange,
    Sealed,
    SelectedKey,
    Selection,
    SsoLink,
    SsoRequest,
    TreeHead,
    TreeNode,
    User,
)
from keys.rules.lifecycle import State
from tests.cast import Cast, a_key, an_endless_plan, an_event
from tests.domain.database import wrong_policies, wrong_reviews
from tests.domain.database.said_by_sqlite import SAID_ANOTHER_WAY_BY_SQLITE
from tests.domain.database.wrong_requests import WRONG_REQUESTS
from tests.domain.rotation.steps import a_rotation
from tests.support.cases import in_one_test
from tests.support.sealed_log import without_triggers

Wrong = Callable[[Cast], object]
"""Tries to write an invalid row."""


def person(**columns: object) -> Wrong:
    facts = {"email": "new@contenzilla.example", "name": "New", "cerby_id": uuid.uuid4(), "role": 40}
    return lambda cast: User.objects.create(**facts | columns)


def key(**columns: object) -> Wrong:
    return lambda cast: a_key(cast.admin, **columns)


def grant(**columns: object) -> Wrong:
    facts = {"sealed": b"sealed", "thumbprint": "t", "expires_at": timezone.now(), "state": "ready"}
    return lambda cast: RevealGrant.objects.create(key=a_key(cast.admin), user=cast.admin, **facts | columns)


def twice_the_name(in_use: str) -> Wrong:
    def write(cast: Cast) -> None:
        a_key(cast.admin, name="Straße nightly", **in_state(in_use))
        a_key(cast.owner, name="STRAßE NIGHTLY")

    return write


def registered_twice(in_use: str) -> Wrong:
    def write(cast: Cast) -> None:
        declared = {"origin": "declared", "holds_name": 1}
        a_key(cast.admin, name="Straße nightly", **declared, **in_state(in_use))
        a_key(cast.admin, name="STRAßE NIGHTLY", **declared)

    return write


def link(**columns: object) -> Wrong:
    facts = {
        "issuer": "https://login.example.com",
        "subject": "7",
        "linked_at": timezone.now(),
        "event_id": 1,
    }
    return lambda cast: SsoLink.objects.create(**{"user": cast.admin, **facts, **columns})


def two_people_with_one_account(cast: Cast) -> None:
    link()(cast)
    link(user=cast.owner, event_id=2)(cast)


def one_person_with_two_accounts(cast: Cast) -> None:
    link()(cast)
    link(subject="8", event_id=2)(cast)


def sso_request(**columns: object) -> Wrong:
    facts = {"name": "n", "session": "s" * 64, "purpose": "sign-in", "started_at": timezone.now()}
    return lambda _: SsoRequest.objects.create(**facts | columns)


def in_state(state: str) -> dict[str, object]:
    columns: dict[str, object] = {"state": state}
    if state == State.CALLING:
        columns |= {"lease": uuid.uuid4(), "lease_until": timezone.now()}
    if state == State.REVOKED:
        columns["removed_at"] = timezone.now()
    return columns


def the_same_scope_twice(cast: Cast) -> None:
    held = KeyScope.objects.get(key=a_key(cast.admin, scopes=["read:users"]))
    KeyScope.objects.create(key=held.key, scope=held.scope, created_at=held.created_at)


def the_same_tag_twice(cast: Cast) -> None:
    tagged = KeyTag.objects.get(key=a_key(cast.admin, tags=["nightly"]))
    KeyTag.objects.create(key=tagged.key, tag=tagged.tag, created_at=tagged.created_at)


def the_same_fingerprint_twice(cast: Cast) -> None:
    for _ in range(2):
        a_key(cast.admin, fingerprint=b"f" * 32, pepper_id="p1")


def the_same_alert_twice(_cast: Cast) -> None:
    for _ in range(2):
        Alert.objects.create(kind="job-late", subject="tidy", words="W", since=timezone.now())


def the_same_dropped_value_twice(_: Cast) -> None:
    for _number in range(2):
        DroppedValue.objects.create(
            kind="person", attribute="role", count=1, example=uuid.uuid4(), found_at=timezone.now()
        )


def the_same_reminder_twice(cast: Cast) -> None:
    key = a_key(cast.admin)
    for _ in range(2):
        Reminder.objects.create(key=key, kind="7", sent_at=timezone.now())


HASH = b"h" * 32


def event(**columns: object) -> Wrong:
    def write(_cast: Cast) -> None:
        row = an_event()
        for name, value in columns.items():
            setattr(row, name, value)
        row.save()

    return write


def sealed(**columns: object) -> Wrong:
    def write(_cast: Cast) -> None:
        row = an_event()
        row.save()
        Sealed.objects.create(**{"index": 0, "event": row, "leaf_hash": HASH} | columns)

    return write


def node(**columns: object) -> Wrong:
    return lambda _cast: TreeNode.objects.create(**{"level": 1, "index": 0, "hash": HASH} | columns)


def checkpoint(**columns: object) -> Wrong:
    facts = {"size": 1, "root": HASH, "at": timezone.now(), "note": "…"}
    return lambda _cast: Checkpoint.objects.create(**facts | columns)


def the_same_checkpoint_twice(cast: Cast) -> None:
    without_triggers()  # the triggers would refuse it too
    for _ in range(2):
        checkpoint()(cast)


def two_changes_of_scopes_at_once(cast: Cast) -> None:
    key = a_key(cast.admin)
    for _ in range(2):
        ScopeChange.objects.create(key=key, actor=cast.admin, after=["read:users"], until=timezone.now())


def rotation(**columns: object) -> Wrong:
    return lambda cast: a_rotation(a_key(cast.admin), a_key(cast.admin), **columns)


def a_rotation_to_the_same_key(cast: Cast) -> None:
    a_rotation(key := a_key(cast.admin), key)


def two_rotations_of_one_key(cast: Cast) -> None:
    key = a_key(cast.admin)
    for _ in range(2):
        a_rotation(key, a_key(cast.admin))


def finding(cast: Cast, *rules: str) -> None:
    key = a_key(cast.admin)
    for rule in rules:
        Finding.objects.create(key=key, rule=rule, since=timezone.now(), due_on=timezone.localdate())


def three_keys_in_use_of_one_lineage(cast: Cast) -> None:
    for generation in (1, 2, 3):
        a_key(cast.admin, lineage=uuid.UUID(int=1), generation=generation)


def view(**columns: object) -> SavedView:
    facts = {"page": "activity", "name": "Trouble", "query": "outcome=refused"}
    return SavedView.objects.create(**facts | columns)


def the_same_view_name_twice(cast: Cast) -> None:
    for name in ("Trouble", "TROUBLE"):
        view(user=cast.admin, name=name)


def the_same_shared_name_twice(cast: Cast) -> None:
    for person in (cast.admin, cast.owner):
        view(user=person, shared=True)


def selection(**columns: object) -> Wrong:
    facts = {"made_at": timezone.now(), "count": 1}
    return lambda cast: Selection.objects.create(user=cast.admin, **facts | columns)


def selected(*each: dict[str, object], twice_in_a_list: bool = False) -> Wrong:
    """Select one key with the columns of ``each``, each time in another list or in one list."""

    def write(cast: Cast) -> None:
        key = a_key(cast.admin)
        lists = [Selection.objects.create(user=cast.admin, made_at=timezone.now(), count=1) for _ in each]
        for number, columns in enumerate(each):
            of = lists[0 if twice_in_a_list else number]
            SelectedKey.objects.create(selection=of, key=key, position=0, **columns)

    return write


WORKING = {"outcome": "working", "working_until": timezone.now()}

WRONG: dict[str, list[Wrong]] = {
    "key_two_of_a_lineage": [three_keys_in_use_of_one_lineage],
    "rotation_state_is_known": [rotation(state="turning", ended_at=timezone.now())],
    "rotation_reason_is_known": [rotation(because="boredom")],
    "rotation_has_an_end_if_over": [rotation(state="retired"), rotation(ended_at=timezone.now())],
    "rotation_changes_the_key": [a_rotation_to_the_same_key],
    "rotation_once_at_a_time": [two_rotations_of_one_key],
    "selection_started_with_an_act": [selection(act="delete"), selection(started_at=timezone.now())],
    "selection_ends_after_its_start": [
        selection(stopped_at=timezone.now()),
        selection(finished_at=timezone.now()),
    ],
    "selected_key_once": [selected({}, {}, twice_in_a_list=True)],
    "selected_key_worked_on_once": [selected(WORKING, WORKING)],
    "selected_key_outcome_is_known": [selected({"outcome": "fine"})],
    "selected_key_works_until": [
        selected({"outcome": "working"}),
        selected({"working_until": timezone.now()}),
    ],
    **WRONG_REQUESTS,
    "leaver_plan_is_complete": [an_endless_plan],
    "finding_once_for_each_rule": [lambda cast: finding(cast, "team", "team")],
    "finding_rule_is_known": [lambda cast: finding(cast, "colour")],
    "user_email_is_lower_case": [person(email="New@contenzilla.example")],
    "user_role_is_known": [person(role=0), person(role=41), person(role=70)],
    "user_signs_in_only_when_added": [person(is_active=True, added_at=None)],
    "key_state_is_known": [key(state="lost"), key(state="")],
    "key_expires_after_creation": [
        key(created_at=timezone.now(), expires_at=timezone.now() - timedelta(days=1)),
        lambda cast: a_key(cast.admin, created_at=(now := timezone.now()), expires_at=now),
    ],
    "key_leased_while_calling": [
        key(state=State.CALLING),
        key(state=State.CALLING, lease=uuid.uuid4()),
        key(state=State.CALLING, lease_until=timezone.now()),
        key(state=State.HELD, lease=uuid.uuid4(), lease_until=timezone.now()),
    ],
    "key_live_is_known_to_cerby": [
        key(state=state, cerby_id=None) for state in (State.READY, State.CLAIMED, State.HELD)
    ],
    "key_proved_has_a_fingerprint": [
        key(state=state, origin=origin)
        for state in (State.READY, State.CLAIMED, State.HELD)
        for origin in ("pasted", "registered")
    ],
    "key_fingerprint_once": [the_same_fingerprint_twice],
    "key_fingerprint_names_its_pepper": [key(fingerprint=b"f" * 32), key(pepper_id="p1")],
    "key_removed_has_a_time": [key(state=State.REVOKED)],
    "key_origin_is_known": [key(origin="found"), key(origin="")],
    "key_registered_once": [registered_twice(state) for state in (State.READY, State.CLAIMED, State.HELD)],
    "key_name_is_unique_while_in_use": [
        twice_the_name(state)
        for state in (
            State.REQUESTED,
            State.CALLING,
            State.READY,
            State.CLAIMED,
            State.HELD,
        )
    ],
    "key_scope_once": [the_same_scope_twice],
    **wrong_policies.WRONG,
    **wrong_reviews.WRONG,
    "key_tag_once": [the_same_tag_twice],
    "grant_sealed_only_while_ready": [
        grant(sealed=None),
        grant(state="claimed", claimed_at=timezone.now()),
        grant(state="gone"),
    ],
    "grant_claimed_has_a_time": [grant(state="claimed", sealed=None)],
    "grant_state_is_known": [grant(state="open", sealed=None)],
    "saved_view_private_name_once": [the_same_view_name_twice],
    "saved_view_shared_name_once": [the_same_shared_name_twice],
    "saved_view_page_is_known": [lambda cast: view(user=cast.admin, page="people")],
    "sso_link_of_one_person": [two_people_with_one_account],
    "sso_link_one_per_provider": [one_person_with_two_accounts],
    "sso_link_is_whole": [link(issuer=""), link(subject="")],
    "sso_request_is_for_one_purpose": [sso_request(purpose="step-up"), sso_request(purpose="link")],
    "sso_request_has_a_session": [sso_request(session="s")],
    "pause_ends_after_it_began": [
        lambda _: Pause.objects.create(what="create", since=(now := timezone.now()), until=now)
    ],
    "quarantine_is_one": [lambda _: Quarantine.objects.create(id=2)],
    "quarantine_has_a_cause": [
        lambda _: Quarantine.objects.create(id=1, since=timezone.now()),
        lambda _: Quarantine.objects.create(id=1, cause="operator"),
    ],
    "alert_once_while_it_lasts": [the_same_alert_twice],
    "dropped_value_once": [the_same_dropped_value_twice],
    "reminder_once": [the_same_reminder_twice],
    "refusal_count_waits": [
        lambda cast: RefusalCount.objects.create(name="n", event="attempt:refuse", user=cast.admin, waiting=0)
    ],
    "mac_chain_is_one_row": [
        lambda _cast: MacChain.objects.create(id=2, name="0123abcd", since=timezone.now())
    ],
    "node_agreed_is_positive": [lambda _cast: Node.objects.create(name="Here", agreed=-1)],
    "node_answer_has_a_request": [lambda _cast: Node.objects.create(name="Here", answer="sealed")],
    "comparison_is_one_row": [lambda _: Comparison.objects.create(id=2)],
    "figures_are_one_row": [
        lambda _: DashboardFigures.objects.create(id=2, as_of=timezone.now(), seconds=0, figures={})
    ],
    "event_outcome_is_known": [event(outcome="fine")],
    "event_leaf_fits": [event(leaf=b""), event(leaf=b" " * 8193)],
    "event_mac_is_whole": [event(mac=b"")],
    "event_salt_is_whole": [event(salt=b"pepper")],
    "sealed_index_is_positive": [sealed(index=-1)],
    "sealed_hash_is_whole": [sealed(leaf_hash=b"")],
    "node_is_above_the_leaves": [node(level=0), node(index=-1)],
    "node_hash_is_whole": [node(hash=b"h" * 31)],
    "head_is_one_row": [lambda _cast: TreeHead.objects.create(id=2, root=HASH)],
    "checkpoint_size_once": [the_same_checkpoint_twice],
    "scope_change_one_at_a_time": [two_changes_of_scopes_at_once],
    "checkpoint_root_is_whole": [checkpoint(root=b"")],
}


def test_every_constraint_has_a_case():
    named = {
        constraint.name
        for model in apps.get_app_config("keys").get_models()
        for constraint in model._meta.constraints
    }
    assert named == WRONG.keys()


@in_one_test("name, write", [(name, write) for name, cases in WRONG.items() for write in cases])
def test_each_constraint_refuses_an_invalid_row(cast, name, write):
    told = SAID_ANOTHER_WAY_BY_SQLITE.get(name, name) if connection.vendor == "sqlite" else name
    with pytest.raises(IntegrityError, match=told), transaction.atomic():
        write(cast)


@in_one_test("state", [State.REVOKED, State.REFUSED, State.ABSENT, State.REVOKING, State.IN_DOUBT])
def test_a_name_is_free_again_once_nobody_can_use_its_key(cast, state):
    """IN_DOUBT: the person may ask again at once, and the lost answer is never shown."""
    for _ in range(2):
        a_key(cast.admin, name="Nightly export", **in_state(state))
    a_key(cast.admin, name="Nightly export")
