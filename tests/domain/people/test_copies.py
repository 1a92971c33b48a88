"""Update the names of people in their keys in several transactions, which may break off at any time."""

from __future__ import annotations

import pytest
from django.utils import timezone

from keys.actions.people import copies
from keys.actions.people.copies import copies_are_due, update_copies, update_due_copies
from keys.actions.people.refresh import refresh_person
from keys.actions.sync.sweep import sweep
from keys.jobs import tasks
from keys.models import ApiKey, AuditEvent, User
from tests.cast import a_key, record_people
from tests.pages.helpers import many_keys
from tests.support.row_check import wrong_keys


class Died(BaseException):
    """Stands for the end of the process: no code of the portal catches it."""


@pytest.fixture
def renamed(cast, sandbox, monkeypatch):
    """Return a person with five keys who has another name in Cerby. A transaction does two keys."""
    record_people()
    User.objects.filter(pk=cast.user.pk).update(name="Former Name")
    person = User.objects.get(pk=cast.user.pk)
    many_keys(person, 5)
    a_key(cast.admin, accountable=person, accountable_name=person.name)
    monkeypatch.setattr(copies, "AT_ONCE", 2)
    monkeypatch.setattr(copies, "A_MOMENT", 600)
    return person


def outdated() -> int:
    """Return how many copies of the former name there are."""
    as_owner = ApiKey.objects.filter(owner_name="Former Name").count()
    return as_owner + ApiKey.objects.filter(accountable_name="Former Name").count()


def wrong_copies() -> list[str]:
    return [words for words in wrong_keys() if "owner_" in words or "accountable_" in words]


def test_others_can_write_while_a_person_with_many_keys_is_renamed(renamed, monkeypatch):
    before, seen = outdated(), list[int]()
    monkeypatch.setattr("time.sleep", lambda _: seen.append(outdated()))
    refresh_person(renamed)
    assert seen[:2] == [before - 2, before - 4]
    assert (outdated(), User.objects.exclude(copies_due_at=None).count()) == (0, 0)
    names = ApiKey.objects.filter(owner=renamed).values_list("owner_name", "owner_order")
    assert set(names) == {("User Person", "user person")}


def test_a_job_goes_on_after_the_process_died_and_nothing_seems_forged_meanwhile(renamed, monkeypatch):
    def die(_seconds: float) -> None:
        raise Died

    before = outdated()
    with monkeypatch.context() as dying:
        dying.setattr("time.sleep", die)
        with pytest.raises(Died):
            refresh_person(renamed)
    assert (outdated(), wrong_copies()) == (before - 2, [])
    monkeypatch.setattr("time.sleep", lambda _: None)
    tasks.leavers.call()
    assert (outdated(), wrong_copies()) == (0, [])
    assert not User.objects.exclude(copies_due_at=None).exists()


def test_each_run_does_a_part_if_there_is_no_time(renamed, monkeypatch):
    monkeypatch.setattr(copies, "LONGEST_RUN", -1)
    User.objects.filter(pk=renamed.pk).update(name="User Person")
    copies_are_due(User.objects.get(pk=renamed.pk))
    left = []
    while User.objects.exclude(copies_due_at=None).exists():
        left.append(outdated())
        update_due_copies()
    assert outdated() == 0
    assert left[:3] == [left[0], left[0] - 2, left[0] - 4]


def test_a_person_who_is_renamed_meanwhile_is_not_done(renamed, monkeypatch):
    User.objects.filter(pk=renamed.pk).update(name="Second", copies_due_at=timezone.now())

    def rename_again(_seconds: float) -> None:
        monkeypatch.setattr("time.sleep", lambda _: None)
        person = User.objects.get(pk=renamed.pk)
        person.name = "Third"
        person.save(update_fields=["name"])
        copies_are_due(person)

    monkeypatch.setattr("time.sleep", rename_again)
    update_copies(renamed.pk)
    assert User.objects.get(pk=renamed.pk).copies_due_at is not None
    update_due_copies()
    assert set(ApiKey.objects.filter(owner=renamed).values_list("owner_name", flat=True)) == {"Third"}


def test_a_sweep_takes_an_outdated_copy_for_no_forgery(cast, sandbox):
    sweep()
    key = ApiKey.objects.get()  # the portal's own, whose owner is the Owner
    User.objects.filter(pk=cast.owner.pk).update(name="Former", copies_due_at=timezone.now())
    ApiKey.objects.update(owner_name="Older")
    sweep()
    assert not AuditEvent.objects.filter(type="key:repair").exists()
    assert ApiKey.objects.get().owner_name == "Older"
    User.objects.update(copies_due_at=None)
    sweep()
    assert AuditEvent.objects.filter(type="key:repair", key_id=key.pk).count() == 1
    assert ApiKey.objects.get().owner_name == "Former"
