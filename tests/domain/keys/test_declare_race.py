"""Import one file, and register one key, in two processes at the same moment: no key is added twice."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, connection, transaction

from keys.actions.keys import register
from keys.actions.keys.import_keys import import_keys
from keys.actions.keys.register import add_key, register_key
from keys.models import ApiKey, User
from keys.rules.errors import Invalid
from keys.selectors.key.imports import plan
from keys.validation import existing_key
from keys.validation.existing_key import Registration, same_key
from tests.cast import MEMBERS, actor, email_of, people_in_portal
from tests.support.own_database import Address
from tests.support.racing import meet, race

PROCESSES = 2
ROWS = 20
TEXT = "name,owner,expires,purpose,scopes\n" + "".join(
    f"Key {number},{email_of('owner')},2030-01-31,Why,read:users\n" for number in range(ROWS)
)


def an_import(_: int, admin: int) -> str:
    try:
        return str(import_keys(actor(User.objects.get(pk=admin)), TEXT))
    except Invalid:
        return "refused"


def a_naive_import(_: int, admin: int, *, holds_name: bool = False) -> str:
    """Plan, and then add the planned keys without another look at the inventory."""
    person = actor(User.objects.get(pk=admin))
    lines = plan(person, TEXT).good
    meet()
    with transaction.atomic():
        for line in lines:
            assert line.registration
            assert isinstance(line.owner, User)
            add_key(person, line.registration, line.owner, holds_name=holds_name)
    return str(len(lines))


def an_import_without_a_lock(number: int, admin: int) -> str:
    try:
        return a_naive_import(number, admin, holds_name=True)
    except IntegrityError:
        return "refused"


def a_registration(_: int, admin: int) -> str:
    person = actor(User.objects.get(pk=admin))
    line = plan(person, TEXT.replace("Key 0", "One key")).lines[0]
    assert line.registration
    meet()  # otherwise the plan of the slower process may name the key of the other
    try:
        register_key(person, line.registration)
    except Invalid:
        return "refused"
    return "added"


def a_naive_registration(_: int, admin: int, *, holds_name: bool = False) -> str:
    person = actor(User.objects.get(pk=admin))
    line = plan(person, TEXT.replace("Key 0", "One key")).lines[0]
    assert line.registration
    assert isinstance(line.owner, User)
    taken = same_key(line.registration)
    meet()
    if taken:
        return "refused"
    add_key(person, line.registration, line.owner, holds_name=holds_name)
    return "added"


def a_registration_without_a_lock(_: int, admin: int) -> str:
    """Register a key while nothing but the constraint keeps another process from adding it, too."""
    look = existing_key.same_key

    def look_and_meet(registration: Registration) -> list[ApiKey]:
        found = look(registration)
        if existing_key.same_key is look_and_meet:
            existing_key.same_key = look  # the second look is at what the other process has added
            if connection.vendor == "postgresql":  # SQLite has one writer, from BEGIN on
                meet()
        return found

    register.wait_for_other_declarations = lambda: None
    existing_key.same_key = look_and_meet
    return a_registration(0, admin)


@pytest.fixture
def admin(database: Address) -> int:
    return people_in_portal({name: str(uuid.uuid4()) for name in MEMBERS}).admin.pk


@pytest.mark.parametrize(
    ("runner", "answers", "count"),
    [
        (an_import, ROWS, ROWS),
        (an_import_without_a_lock, ROWS, ROWS),
        (a_registration, ["added", "refused"], 1),
        (a_registration_without_a_lock, ["added", "refused"], 1),
    ],
)
def test_no_key_is_added_twice(database, admin, runner, answers, count):
    [found] = race(database, f"{__name__}:{runner.__name__}", [admin], processes=PROCESSES)
    if answers == ROWS:  # a slow machine imports in several transactions, which take turns
        assert sum(int(one) for one in found if one != "refused") == ROWS
    else:
        assert sorted(found) == answers
    assert ApiKey.objects.count() == count


@pytest.mark.parametrize(("runner", "count"), [(a_naive_import, 2 * ROWS), (a_naive_registration, 2)])
def test_the_same_races_add_each_key_twice_without_lock_and_constraint(database, admin, runner, count):
    race(database, f"{__name__}:{runner.__name__}", [admin], processes=PROCESSES)
    assert ApiKey.objects.count() == count
