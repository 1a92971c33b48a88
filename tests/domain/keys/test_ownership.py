"""Test who answers for a key: the defaults of new keys, people who may not, and people who leave and return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from keys.actions.keys.adopt import adopt_key
from keys.actions.keys.import_keys import import_keys
from keys.actions.keys.issue import issue_key
from keys.actions.keys.withdraw import withdraw_import, withdraw_key
from keys.actions.people.accountable import ownership_columns
from keys.actions.people.copies import update_left_at
from keys.actions.people.refresh import refresh_person
from keys.models import ApiKey, KeyTag, User
from keys.rules.errors import Conflict, Invalid, NotAllowed
from keys.validation.ownership import Ownership, tags_in
from tests import cast as people
from tests.cast import a_key, said_by
from tests.pages.helpers import events
from tests.support.asking import a_request
from tests.support.cases import in_one_test
from tests.support.row_check import wrong_keys


def is_orphan(key: ApiKey) -> bool:
    return ApiKey.objects.filter(pk=key.pk, orphan=1).exists()


@pytest.fixture
def me(cast):
    return people.actor(cast.admin)


def test_the_person_who_requests_a_key_answers_for_it(me, cast, sandbox):
    key = ApiKey.objects.get(pk=issue_key(me, a_request()))
    assert (key.accountable, key.accountable_email, key.orphan) == (cast.admin, cast.admin.email, None)
    [requested] = events(type="key:request")
    assert said_by(requested)["accountable"] == {"id": str(cast.admin.pk), "email": cast.admin.email}
    assert cast.admin.email.encode() not in bytes(requested.leaf)
    assert wrong_keys() == []


def test_another_person_can_be_named_with_a_backup_and_everything_else(me, cast, sandbox):
    ownership = Ownership(
        accountable=cast.user.email,
        backup=cast.owner.email,
        team="Data",
        system="BigQuery",
        kind="workload",
        environment="production",
        review_on=timezone.localdate(),
        tags=tags_in("Étl, nightly;ETL\nNightly"),
    )
    key = ApiKey.objects.get(pk=issue_key(me, a_request(ownership=ownership)))
    assert (key.owner, key.accountable, key.backup) == (cast.admin, cast.user, cast.owner)
    assert key.tags == ["etl", "nightly", "étl"]
    assert set(KeyTag.objects.filter(key=key).values_list("tag", flat=True)) == set(key.tags)
    assert wrong_keys() == []


def test_a_person_whom_only_cerby_knows_can_answer_for_a_key(cast, sandbox):
    sandbox.add_person(
        email="new@contenzilla.example", first_name="New", last_name="Person", role="workspace_user"
    )
    columns = ownership_columns(Ownership(accountable="new@contenzilla.example"), default=None)
    assert columns["accountable_id"] == User.objects.get(email="new@contenzilla.example").pk


def test_nobody_answers_for_a_key_who_is_unknown_or_has_left(cast, sandbox):
    User.objects.filter(pk=cast.user.pk).update(left_at=timezone.now())
    for email, words in (("nobody@contenzilla.example", "knows nobody"), (cast.user.email, "has left")):
        for field in ("accountable", "backup"):
            with pytest.raises(Invalid) as refused:
                ownership_columns(replace(Ownership(), **dict[str, Any]({field: email})), default=cast.admin)
            assert words in refused.value.fields[field]
            assert "active member" in refused.value.fields[field]


@in_one_test(
    "wrong, field",
    [
        ({"tags": tuple(f"t{number}" for number in range(11))}, "tags"),
        ({"tags": ("x" * 41,)}, "tags"),
        ({"team": "x" * 101}, "team"),
        ({"kind": "robot"}, "kind"),
        ({"accountable": "admin@contenzilla.example", "backup": "admin@contenzilla.example"}, "backup"),
    ],
)
def test_values_that_break_a_rule_are_refused(cast, wrong, field):
    with pytest.raises(Invalid) as refused:
        ownership_columns(Ownership(**wrong), default=cast.admin)
    assert field in refused.value.fields


def test_a_key_without_anybody_is_an_orphan_until_it_is_adopted(me, cast):
    key = a_key(cast.owner, origin="discovered", purpose="", accountable=None)
    assert is_orphan(key)
    adopt_key(me, key.pk, purpose="Exports.", accountable=cast.user.email)
    assert not is_orphan(key)
    assert ApiKey.objects.get(pk=key.pk).accountable == cast.user


def test_a_key_is_an_orphan_while_its_person_is_disabled(cast, workspace):
    key = a_key(cast.owner, accountable=cast.user)
    for status, orphan in (("disabled", True), ("live", False)):
        workspace.sandbox.set_person(workspace.ids["user"], status=status)
        refresh_person(User.objects.get(pk=cast.user.pk))
        assert is_orphan(key) is orphan
    User.objects.filter(pk=cast.user.pk).update(left_at=timezone.now())
    update_left_at()
    assert is_orphan(key)


def test_an_import_makes_the_owners_accountable_and_can_be_withdrawn(me, cast):
    lines = [f"{name},{cast.user.email},2099-01-01,Why,read:users" for name in ("One", "Two")]
    import_keys(me, "\n".join(["name,owner,expires,purpose,scopes", *lines]))
    assert set(ApiKey.objects.values_list("accountable_email", flat=True)) == {cast.user.email}
    [import_id] = set(ApiKey.objects.values_list("imported_in", flat=True))
    assert [said_by(event)["import"] for event in events(type="key:register")] == [str(import_id)] * 2
    assert withdraw_import(me, import_id, reason="The wrong file.") == 2
    assert {(key.state, key.phase, key.removed_at) for key in ApiKey.objects.all()} == {
        ("withdrawn", 0, None)
    }
    assert wrong_keys() == []
    with pytest.raises(Conflict):
        withdraw_import(me, import_id, reason="The wrong file.")


def test_a_withdrawn_key_can_be_registered_again(me, cast):
    columns = {"origin": "registered", "cerby_id": None, "fingerprint": b"f" * 32, "pepper_id": "p1"}
    key = a_key(cast.user, **columns)
    withdraw_key(me, key.pk, reason="It belongs to another person.")
    a_key(cast.owner, **columns)
    [withdrawn] = events(type="key:withdraw")
    assert withdrawn.reason == "It belongs to another person."


@in_one_test(
    "columns",
    [
        {"origin": "pasted", "cerby_id": None, "fingerprint": b"f" * 32, "pepper_id": "p1"},
        {"origin": "discovered"},
        {"origin": "declared"},
        {"origin": "declared", "cerby_id": None, "state": "revoking"},
    ],
)
def test_only_a_registration_that_cerby_does_not_confirm_can_be_withdrawn(me, cast, columns):
    key = a_key(cast.user, **columns)
    with pytest.raises(Conflict):
        withdraw_key(me, key.pk, reason="A mistake.")
    assert ApiKey.objects.get(pk=key.pk).state == key.state


def test_who_may_not_register_keys_withdraws_none(cast):
    key = a_key(cast.user, origin="declared", cerby_id=None)
    with pytest.raises(NotAllowed):
        withdraw_key(people.actor(cast.user), key.pk, reason="A mistake.")
