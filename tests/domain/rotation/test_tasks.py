"""Tasks to rotate keys by a day: who gets them, how the days are spread, and what ends them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.bulk.freeze import freeze_ticked, select_again
from keys.actions.bulk.start import start_bulk
from keys.actions.bulk.stop import stop_bulk
from keys.actions.keys.delete import delete_key
from keys.actions.keys.edit import Edit, edit_key
from keys.actions.rotation_tasks.ask import ask_for_rotation
from keys.actions.rotation_tasks.assign import keep_rotation_tasks
from keys.evidence.rotation_task_rows import changed_rotation_tasks
from keys.evidence.row_check import contradictions
from keys.jobs.reminders import remind_owners
from keys.models import (
    ApiKey,
    AuditEvent,
    Delivery,
    InboxItem,
    RotationTask,
    Selection,
    User,
)
from keys.rules.errors import Conflict, Invalid
from keys.rules.working_days import due_day, usual_period, working_days
from keys.validation.ownership import Ownership
from tests import cast as people
from tests.cast import a_key, with_a_life
from tests.domain.rotation.steps import DAY, an_old_key, begin
from tests.support.cases import in_one_test
from tests.support.channels import a_channel

MONDAY = date(2098, 3, 3)
FRIDAY = MONDAY + 4 * DAY


def a_life(owner: User, **columns: Any) -> ApiKey:
    return with_a_life(a_key(owner, **columns))


def run(me: User, keys: list[ApiKey], *, first: date = MONDAY, last: date = FRIDAY) -> Selection:
    """Start the bulk action on ``keys`` as ``me``, and carry it out."""
    selection = freeze_ticked(people.actor(me), [key.pk for key in keys], QueryDict())
    started = start_bulk(people.actor(me), selection.pk, Selection.Act.ROTATE, str, period=(first, last))
    carry_out_bulk(started.pk)
    return started


def outcomes(selection: Selection) -> list[str]:
    return list(selection.items.order_by("position").values_list("outcome", flat=True))


def waits_for(person: User) -> list[str]:
    items = InboxItem.objects.filter(user=person, state=InboxItem.State.TASK).order_by("notification")
    return [item.notification.words for item in items.select_related("notification")]


@in_one_test("count", [1, 2, 7, 250, 10_000])
def test_the_days_are_spread_evenly_over_working_days(count):
    days = working_days(MONDAY - 3 * DAY, MONDAY + 20 * DAY)
    assert not {day.weekday() for day in days} & {5, 6}
    due = [due_day(days, position, count) for position in range(count)]
    assert due == sorted(due)
    loads = Counter(due)
    assert max(loads.values()) - min(loads.values()) <= 1
    assert len(loads) == min(count, len(days))


def test_the_usual_period_is_the_next_twenty_working_days():
    for number in range(7):
        first, last = usual_period(MONDAY + number * DAY)
        assert len(working_days(MONDAY + (number + 1) * DAY, last)) == 20
        assert first == working_days(MONDAY + (number + 1) * DAY, last)[0]


def test_each_key_gets_a_task_for_who_answers_for_it_with_one_event(cast):
    far = {"expires_at": timezone.now() + 365 * 100 * DAY}
    mine = a_life(cast.owner, name="A", accountable=cast.admin, backup=cast.super_admin, **far)
    backups = a_life(cast.owner, name="B", accountable=cast.guest, backup=cast.user, **far)
    owners = a_life(cast.owner, name="C", **far)
    nobodys = a_life(cast.guest, name="D", **far)
    User.objects.filter(pk=cast.guest.pk).update(is_active=False)
    a_channel(kinds=["rotation.asked"])
    selection = run(cast.super_admin, [mine, backups, owners, nobodys])
    assert outcomes(selection) == ["done"] * 4
    tasks = {task.key_id: (task.assigned, task.due_on) for task in RotationTask.objects.all()}
    days = [MONDAY, MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + 3 * DAY]
    assert tasks == {
        mine.pk: (cast.admin, days[0]),
        backups.pk: (cast.user, days[1]),
        owners.pk: (cast.owner, days[2]),
        nobodys.pk: (None, days[3]),
    }
    assert waits_for(cast.admin) == ["Rotate “A” by 3 March 2098.", "Rotate “D” by 6 March 2098."]
    assert waits_for(cast.user) == ["Rotate “B” by 4 March 2098."]
    refused = InboxItem.objects.get(user=cast.user).notification
    assert (refused.path, "may not rotate" in refused.text) == (f"/keys/{backups.pk}/", True)
    events = AuditEvent.objects.filter(type="key:ask-rotation").order_by("id")
    assert [(event.key_id, event.details["due_on"]) for event in events] == [
        (key.pk, day.isoformat()) for key, day in zip((mine, backups, owners, nobodys), days, strict=True)
    ]
    assert {event.details["part_of"] for event in events} == {str(selection.pk)}
    mails = Delivery.objects.filter(channel=None)
    assert Counter(to for one in mails for to in one.to) == {
        cast.admin.email: 2, cast.user.email: 1, cast.owner.email: 2, cast.super_admin.email: 1,
    }  # fmt: skip
    assert Delivery.objects.exclude(channel=None).count() == 1, "one message for all keys"
    assert list(changed_rotation_tasks()) == []


def test_starting_the_rotation_or_ending_the_key_ends_the_task(cast, sandbox):
    rotated, deleted = (an_old_key(sandbox, cast.admin, accountable=cast.user) for _ in range(2))
    run(cast.admin, [rotated, deleted], first=timezone.localdate() + DAY, last=timezone.localdate() + 7 * DAY)
    assert len(waits_for(cast.user)) == 2
    begin(cast.admin, rotated)
    assert not RotationTask.objects.filter(key=rotated).exists()
    assert len(waits_for(cast.user)) == 1
    delete_key(people.actor(cast.admin), deleted.pk)
    assert (RotationTask.objects.count(), waits_for(cast.user)) == (0, [])
    assert list(changed_rotation_tasks()) == []


def test_keys_that_cannot_be_rotated_stay_selected_and_a_second_try_asks_only_once(cast, sandbox):
    free, under_way = (an_old_key(sandbox, cast.admin, name=name) for name in ("Free", "Under way"))
    begin(cast.admin, under_way)
    days = {"first": timezone.localdate() + DAY, "last": timezone.localdate() + 7 * DAY}
    selection = run(cast.admin, [free, under_way], **days)
    assert outcomes(selection) == ["done", "skipped"]
    again = select_again(people.actor(cast.admin), selection.pk)
    assert [item.key_id for item in again.items.all()] == [under_way.pk]
    asked = AuditEvent.objects.filter(type="key:ask-rotation")
    task = RotationTask.objects.get()
    ask_for_rotation(people.actor(cast.admin), free.pk, task.due_on)
    assert asked.count() == 1
    ask_for_rotation(people.actor(cast.admin), free.pk, task.due_on + DAY)
    assert (asked.count(), len(waits_for(cast.admin))) == (2, 1), "the later day replaces the earlier one"
    with pytest.raises(Conflict):
        ask_for_rotation(people.actor(cast.admin), under_way.pk, task.due_on)


def test_stopping_keeps_the_tasks_so_far(cast):
    keys = [a_life(cast.admin, name=f"Key {number}") for number in range(3)]
    me = people.actor(cast.admin)
    selection = freeze_ticked(me, [key.pk for key in keys], QueryDict())
    days = timezone.localdate() + DAY, timezone.localdate() + 7 * DAY
    start_bulk(me, selection.pk, Selection.Act.ROTATE, str, period=days)
    carry_out_bulk(selection.pk, watch=lambda: stop_bulk(me, selection.pk))
    assert outcomes(selection) == ["done", "", ""]
    assert [task.key_id for task in RotationTask.objects.all()] == [keys[0].pk]
    assert Delivery.objects.filter(channel=None).count() == 1


def test_an_admin_withdraws_the_tasks_of_selected_keys(cast):
    asked, never = a_life(cast.admin, accountable=cast.user), a_life(cast.admin)
    ask_for_rotation(people.actor(cast.admin), asked.pk, timezone.localdate() + DAY)
    selection = freeze_ticked(people.actor(cast.admin), [asked.pk, never.pk], QueryDict())
    start_bulk(people.actor(cast.admin), selection.pk, Selection.Act.UNASK, str)
    carry_out_bulk(selection.pk, lambda *_: None)
    assert outcomes(selection) == ["done", "skipped"]
    assert (waits_for(cast.user), RotationTask.objects.exists()) == ([], False)
    assert list(changed_rotation_tasks()) == []
    RotationTask.objects.create(
        key=asked, due_on=timezone.localdate(), asked_by=cast.admin, asked_at=timezone.now()
    )
    assert [str(asked.pk) in one.words for one in changed_rotation_tasks()] == [True]


def test_a_key_that_expires_earlier_is_due_on_a_working_day_before(cast):
    key = a_life(cast.admin, expires_at=timezone.now() + 30 * DAY)
    task = ask_for_rotation(people.actor(cast.admin), key.pk, timezone.localdate() + 90 * DAY)
    assert task.due_on < timezone.localdate(key.expires_at)
    assert task.due_on.weekday() < 5
    assert timezone.localdate(key.expires_at) - task.due_on <= 3 * DAY


@in_one_test(
    "first, last, field",
    [
        (-1, 5, "first"),
        (9, 8, "last"),
        (1, 400, "last"),
    ],
)
def test_a_period_must_lie_ahead_and_end_within_a_year(cast, first, last, field):
    today = timezone.localdate()
    with pytest.raises(Invalid) as refused:
        run(cast.admin, [a_life(cast.admin)], first=today + first * DAY, last=today + last * DAY)
    assert refused.value.fields.keys() == {field}


def test_a_period_needs_a_working_day(cast):
    with pytest.raises(Invalid):
        run(cast.admin, [a_life(cast.admin)], first=FRIDAY + DAY, last=FRIDAY + 2 * DAY)


def test_the_task_moves_with_the_person_who_answers_for_the_key(cast):
    key = a_life(cast.admin, accountable=cast.user, backup=cast.super_admin)
    task = ask_for_rotation(people.actor(cast.owner), key.pk, timezone.localdate() + DAY)
    User.objects.filter(pk=cast.user.pk).update(is_active=False)
    assert keep_rotation_tasks() == "Rotation tasks moved: 1"
    assert RotationTask.objects.get().assigned == cast.super_admin
    assert (waits_for(cast.user), len(waits_for(cast.super_admin))) == ([], 1)
    edit_key(people.actor(cast.admin), key.pk, Edit(Ownership(accountable=cast.owner.email), ""), version=0)
    moved = RotationTask.objects.get()
    assert (moved.assigned, moved.due_on) == (cast.owner, task.due_on)
    assert waits_for(cast.super_admin) == []
    assert list(changed_rotation_tasks()) == []
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    keep_rotation_tasks()
    assert waits_for(cast.owner) == []


def test_the_people_of_a_key_are_reminded_once_on_the_day(cast):
    key = a_life(cast.admin, accountable=cast.user, expires_at=timezone.now() + 300 * DAY)
    task = ask_for_rotation(people.actor(cast.admin), key.pk, timezone.localdate() + 30 * DAY)
    assert remind_owners() == "Mails written: 0"
    RotationTask.objects.update(due_on=timezone.localdate())
    assert remind_owners() == "Mails written: 1"
    assert remind_owners() == "Mails written: 0"
    [mail] = Delivery.objects.filter(channel=None)
    assert f"http://testserver/keys/{key.pk}/rotate/" in mail.text
    assert set(mail.to) == {cast.admin.email, cast.user.email}
    assert task.assigned == cast.user


def test_a_task_that_somebody_changes_in_the_database_contradicts_the_log(cast):
    changed, invented, lost = (a_life(cast.admin) for _ in range(3))
    for key in (changed, lost):
        ask_for_rotation(people.actor(cast.admin), key.pk, timezone.localdate() + 3 * DAY)
    assert list(changed_rotation_tasks()) == []
    RotationTask.objects.filter(key=changed).update(
        due_on=timezone.localdate() + timedelta(days=99), assigned=cast.user, asked_by=cast.owner
    )
    RotationTask.objects.create(
        key=invented, due_on=timezone.localdate(), asked_by=cast.admin, asked_at=timezone.now()
    )
    RotationTask.objects.filter(key=lost).delete()
    found = [one.words for one in changed_rotation_tasks()]
    assert [sum(str(key.pk) in one for one in found) for key in (changed, invented, lost)] == [3, 1, 1]
    assert set(found) <= {one.words for one in contradictions()}
