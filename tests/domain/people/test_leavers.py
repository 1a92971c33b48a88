"""When a person leaves, somebody must decide about each of their keys, and nobody waits for the leaver."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.keys.delete import delete_key
from keys.actions.leavers import assign
from keys.actions.leavers.assign import assign_tasks
from keys.actions.leavers.plan import plan_keys
from keys.actions.people.refresh_all import read_everyone
from keys.evidence.leaver_rows import changed_plans
from keys.evidence.row_check import contradictions
from keys.jobs.schedule import JOBS
from keys.models import ApiKey, AuditEvent, Delivery, InboxItem, LeaverPlan, User
from keys.rules.errors import Conflict, Invalid, NotAllowed, NotFound
from keys.rules.leaving import NO_PLAN, Plan
from keys.rules.lifecycle import State
from keys.rules.permissions import HIGHEST, MATRIX, Action
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from keys.selectors.leavers.page import leaving_page, tasks_of
from tests.cast import a_key, actor, said_by, signed_in
from tests.pages.helpers import links

A_DAY = timedelta(days=1)


def of(person: User, role: str = "accountable") -> dict:
    return {role: person, **(ApiKey.accountable_columns(person) if role == "accountable" else {})}


def leaves(workspace, name: str) -> None:
    workspace.sandbox.set_person(workspace.ids[name], status="disabled")
    read_everyone()
    assign_tasks()


def plan_of(key: ApiKey) -> LeaverPlan:
    return LeaverPlan.objects.get(pk=key.pk)


def tasks(*people: User) -> list[int]:
    return [len(tasks_of(actor(User.objects.get(pk=person.pk)))) for person in people]


def days_pass(days: int) -> None:
    for plan in LeaverPlan.objects.exclude(open_since=None):
        LeaverPlan.objects.filter(pk=plan.pk).update(open_since=plan.open_since - timedelta(days=days))


def test_the_task_goes_to_the_accountable_person_then_the_backup_then_any_admin(cast, workspace):
    answered = a_key(cast.guest, **of(cast.user))
    backed = a_key(cast.guest, **of(cast.guest), **of(cast.login_only, "backup"))
    nobodys = a_key(cast.guest, **of(cast.guest))
    leaves(workspace, "guest")
    assert [plan_of(key).assigned for key in (answered, backed, nobodys)] == [
        cast.user,
        cast.login_only,
        None,
    ]
    assert tasks(cast.user, cast.login_only, cast.admin, cast.owner, cast.guest) == [1, 1, 1, 1, 0]
    events = AuditEvent.objects.filter(type="key:owner-leave")
    assert {event.key_id: (said_by(event)["assigned"] or {}).get("email") for event in events} == {
        answered.pk: cast.user.email,
        backed.pk: cast.login_only.email,
        nobodys.pk: None,
    }
    assign_tasks()
    assert events.count() == 3, "each task is given once"


def test_a_task_of_any_admin_waits_for_every_admin_until_one_decides(cast, workspace):
    key = a_key(cast.guest, **of(cast.guest))
    leaves(workspace, "guest")
    waiting = InboxItem.objects.filter(state="task")
    assert {item.user for item in waiting} == {cast.owner, cast.super_admin, cast.admin}
    browser, mine = signed_in(cast.admin), waiting.get(user=cast.admin)
    assert browser.post(f"/inbox/{mine.pk}/done/").status_code == 409
    assert "Mark as done" not in browser.get("/inbox/").content.decode()
    plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], Plan(LeaverPlan.Decision.REMOVE))
    assert not waiting.all().exists()


def test_a_plan_that_somebody_changes_in_the_database_contradicts_the_log(cast, workspace):
    planned, invented, opened, lost = (a_key(cast.guest) for _ in range(4))
    for key in (planned, lost):
        plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], Plan("rotate", to=cast.super_admin.email))
    plans = LeaverPlan.objects
    plans.create(key=invented, person=cast.guest, decision="remove", decided_by=cast.admin)
    assert [one.words for one in changed_plans()] == [
        f"API key {invented.pk}: it has a plan in case its owner leaves, and no event recorded it."
    ]
    plans.filter(pk=invented.pk).delete()
    leaves(workspace, "guest")
    assert list(changed_plans()) == [], "the task for the key without a plan is as it was recorded"
    plans.filter(pk=planned.pk).update(to=cast.owner, decided_by=cast.owner)
    plans.filter(pk=opened.pk).update(decision="keep", until=timezone.localdate())
    plans.filter(pk=lost.pk).delete()
    found = [one.words for one in changed_plans()]
    assert [sum(str(key.pk) in words for words in found) for key in (planned, opened, lost)] == [2, 2, 1]
    assert set(found) <= {one.words for one in contradictions()}


def test_departures_are_polled_so_often_that_somebody_has_the_task_within_twenty_minutes():
    assert JOBS["people"].every + JOBS["leavers"].every < timedelta(minutes=20)


def test_a_plan_made_before_asks_those_who_must_act_on_the_day_and_nobody_to_decide(cast, workspace):
    keys = [a_key(cast.guest) for _ in range(3)]
    plans = [
        Plan("rotate", to=cast.super_admin.email),
        Plan("remove"),
        Plan("keep", until=timezone.localdate() + timedelta(days=30)),
    ]
    for key, plan in zip(keys, plans, strict=True):
        assert plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], plan) == 1
        assert plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], plan) == 0, "nothing is new"
    leaves(workspace, "guest")
    assign_tasks()
    assert tasks(cast.admin, cast.owner) == [0, 0]
    rotate, delete = f"/keys/{keys[0].pk}/rotate/", f"/keys/{keys[1].pk}/delete/"
    assert sorted(link for _, link in inbox(cast.super_admin)) == sorted([rotate, delete])
    assert [link for _, link in inbox(cast.admin)] == [delete]
    assert inbox(cast.guest) == inbox(cast.user) == [], "nobody is asked about a key that is kept"
    plan_keys(actor(cast.admin), cast.guest.pk, [keys[0].pk], Plan("remove"))
    assign_tasks()
    assert [len(inbox(person)) for person in (cast.super_admin, cast.admin)] == [2, 2]
    delete_key(actor(cast.admin), keys[0].pk)
    assert [link for _, link in inbox(cast.super_admin)] == [delete]
    workspace.sandbox.set_person(workspace.ids["guest"], status="live")
    read_everyone()
    assert inbox(cast.super_admin) == [], "the owner is back"
    events = AuditEvent.objects.filter(type="key:plan").order_by("id")
    assert [event.details["decision"] for event in events] == ["rotate", "remove", "keep", "remove"]
    assert said_by(events[0])["to"] == {"id": str(cast.super_admin.pk), "email": cast.super_admin.email}


def test_only_people_who_may_delete_a_key_are_asked_to_each_with_one_mail_for_all_keys(
    cast, workspace, settings, monkeypatch
):
    keys = [a_key(cast.guest, **of(cast.user)) for _ in range(2)]
    plan_keys(actor(cast.admin), cast.guest.pk, [key.pk for key in keys], Plan("remove"))
    rule = MATRIX[Action.DELETE_KEY]
    monkeypatch.setitem(MATRIX, Action.DELETE_KEY, replace(rule, roles=HIGHEST))
    leaves(workspace, "guest")
    asked = InboxItem.objects.filter(notification__kind="removal.due")
    assert {item.user for item in asked} == {cast.owner, cast.super_admin}
    mails = Delivery.objects.filter(notification__kind="removal.due", channel=None)
    assert sorted(mail.to for mail in mails) == [[cast.owner.email], [cast.super_admin.email]]


def test_if_only_the_owner_could_delete_a_key_admins_are_asked_to_delete_it_in_cerby(
    cast, workspace, settings
):
    key = a_key(cast.guest)
    plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], Plan("remove"))
    settings.PORTAL_KEY_MANAGEMENT = "owner-only"
    leaves(workspace, "guest")
    assert [link for _, link in inbox(cast.admin)] == [f"/people/{cast.guest.pk}/leaving/"]
    mail = Delivery.objects.filter(notification__kind="removal.due").first()
    assert mail is not None
    assert "delete it in Cerby's web app" in mail.text


def test_the_next_owner_is_asked_to_rotate_each_key_with_one_mail_until_the_plan_changes(cast, workspace):
    keys = [a_key(cast.guest).pk for _ in range(2)]
    leaves(workspace, "guest")
    Delivery.objects.all().delete()
    plan_keys(actor(cast.admin), cast.guest.pk, keys, Plan("rotate", to=cast.super_admin.email))
    asked = InboxItem.objects.filter(user=cast.super_admin, notification__kind="rotation.due", done_at=None)
    assert set(asked.values_list("notification__path", flat=True)) == {f"/keys/{pk}/rotate/" for pk in keys}
    assert [mail.to for mail in Delivery.objects.all()] == [[cast.super_admin.email]]
    plan_keys(actor(cast.admin), cast.guest.pk, keys[:1], Plan("remove"))
    assert asked.get().notification.key_id == keys[1]


def test_if_the_last_day_has_passed_somebody_must_decide_again(cast, workspace):
    key = a_key(cast.guest, **of(cast.user))
    plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], Plan("keep", until=timezone.localdate() + A_DAY))
    leaves(workspace, "guest")
    assert tasks(cast.user) == [0]
    LeaverPlan.objects.update(until=timezone.localdate() - timedelta(days=1))
    assign_tasks()
    assert tasks(cast.user) == [1]
    assert "has passed" in AuditEvent.objects.get(type="key:owner-leave").reason


def test_a_task_of_a_person_who_cannot_sign_in_any_more_goes_to_the_next(cast, workspace):
    key = a_key(cast.guest, **of(cast.user), **of(cast.login_only, "backup"))
    leaves(workspace, "guest")
    since = plan_of(key).open_since
    User.objects.filter(pk=cast.user.pk).update(is_active=False)
    assign_tasks()
    assert (plan_of(key).assigned, plan_of(key).open_since) == (cast.login_only, since)


def test_a_task_ends_if_the_owner_is_back_or_the_key_has_ended(cast, workspace):
    back, ended = a_key(cast.guest), a_key(cast.user)
    leaves(workspace, "guest")
    leaves(workspace, "user")
    assert tasks(cast.admin) == [2]
    assert len(inbox(cast.owner)) == 2
    ApiKey.objects.filter(pk=ended.pk).update(state=State.REVOKED, removed_at=timezone.now())
    workspace.sandbox.set_person(workspace.ids["guest"], status="live")
    read_everyone()
    assign_tasks()
    assert tasks(cast.admin) == [0]
    assert inbox(cast.owner) == []
    assert plan_of(back).open_since is None


def test_a_key_is_red_and_an_alert_after_seven_days_until_somebody_decides(cast, workspace):
    key = a_key(cast.guest)
    leaves(workspace, "guest")

    def is_alert() -> bool:
        found = active_alerts(timezone.now(), audit_health())
        return AlertKind.LEAVER_LATE in [alert.kind for alert in found]

    days_pass(6)
    assert not is_alert()
    days_pass(1)
    assert is_alert()
    [one] = leaving_page(actor(cast.admin), cast.guest.pk).owned
    assert one.is_red
    plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], Plan("remove"))
    assert not is_alert()


def inbox(person: User) -> list[tuple[str, str]]:
    items = InboxItem.objects.filter(user=person, done_at=None).order_by("pk")
    return list(items.values_list("notification__words", "notification__path"))


def test_the_assigned_person_is_told_once_for_all_keys_until_the_last_is_decided(cast, workspace):
    keys = [a_key(cast.guest, **of(cast.user), **of(cast.login_only, "backup")) for _ in range(2)]
    leaves(workspace, "guest")
    assign_tasks()
    path = f"/people/{cast.guest.pk}/leaving/"
    [(said, link)] = inbox(cast.user)
    assert (said.startswith("Guest Person has left."), link) == (True, path)
    assert links(signed_in(cast.user).get("/inbox/"))[said] == path
    assert Delivery.objects.count() == 1
    User.objects.filter(pk=cast.user.pk).update(is_active=False)
    assign_tasks()
    assert [len(inbox(person)) for person in (cast.user, cast.login_only, cast.owner)] == [0, 1, 0]
    days_pass(7)
    for _ in range(2):
        assign_tasks()
    [(late, link)] = inbox(cast.owner)
    assert ("For 7 days their API keys have had no plan" in late, link) == (True, path)
    plan_keys(actor(cast.admin), cast.guest.pk, [keys[0].pk], Plan("remove"))
    assert [len(inbox(person)) for person in (cast.login_only, cast.owner)] == [1, 1]
    plan_keys(actor(cast.admin), cast.guest.pk, [keys[1].pk], Plan("remove"))
    assert [len(inbox(person)) for person in (cast.login_only, cast.owner)] == [0, 0]


def test_many_keys_get_their_tasks_in_bounded_runs(cast, workspace, monkeypatch):
    for _ in range(5):
        a_key(cast.guest)
    monkeypatch.setattr(assign, "AT_ONCE", 2)
    leaves(workspace, "guest")
    assert LeaverPlan.objects.count() == 2
    assign_tasks()
    assign_tasks()
    assert LeaverPlan.objects.count() == AuditEvent.objects.filter(type="key:owner-leave").count() == 5


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (Plan("rotate"), "to"),
        (Plan("rotate", to="nobody@elsewhere.example"), "to"),
        (Plan("rotate", to="guest@contenzilla.example"), "to"),
        (Plan("rotate", to="user@contenzilla.example"), "to"),
        (Plan("keep"), "until"),
        (Plan("keep", until=timezone.localdate() + timedelta(days=32)), "until"),
        (Plan("keep", until=timezone.localdate() - timedelta(days=2)), "until"),
        (Plan("forget"), "decision"),
    ],
)
def test_a_plan_must_be_complete(cast, workspace, plan, field):
    key = a_key(cast.guest)
    with pytest.raises(Invalid) as refused:
        plan_keys(actor(cast.admin), cast.guest.pk, [key.pk], plan)
    assert set(refused.value.fields) == {field}
    assert not AuditEvent.objects.filter(type="key:plan").exists()


def test_a_plan_is_taken_back_and_after_the_owner_has_left_somebody_is_asked_again(cast, workspace):
    key, never = a_key(cast.guest, **of(cast.user)), a_key(cast.guest, **of(cast.user))
    me, keys = actor(cast.admin), [key.pk, never.pk]
    plan_keys(me, cast.guest.pk, [key.pk], Plan("remove"))
    assert plan_keys(me, cast.guest.pk, keys, Plan(NO_PLAN)) == 1
    assert plan_keys(me, cast.guest.pk, keys, Plan(NO_PLAN)) == 0
    assert [event.details["decision"] for event in AuditEvent.objects.filter(type="key:plan")] == [
        "remove",
        "",
    ]
    assert list(changed_plans()) == []
    leaves(workspace, "guest")
    assert tasks(cast.user) == [2]
    plan_keys(me, cast.guest.pk, keys, Plan("remove"))
    assert (tasks(cast.user), len(inbox(cast.user))) == ([0], 0)
    assign_tasks()
    asked = InboxItem.objects.filter(notification__kind="removal.due", done_at=None)
    assert asked.exists()
    plan_keys(me, cast.guest.pk, keys, Plan(NO_PLAN))
    assert not asked.exists(), "nobody is asked to delete it any more"
    assign_tasks()
    assert tasks(cast.user) == [2]
    assert list(changed_plans()) == []


def test_only_admins_and_people_who_answer_for_the_key_decide(cast, workspace):
    key = a_key(cast.guest, **of(cast.user))
    other, removed = a_key(cast.user), a_key(cast.guest, state=State.REVOKED, removed_at=timezone.now())
    assert plan_keys(actor(cast.user), cast.guest.pk, [key.pk], Plan("remove")) == 1
    with pytest.raises(NotAllowed):
        plan_keys(actor(cast.guest), cast.guest.pk, [key.pk], Plan("remove"))
    with pytest.raises(NotFound):
        plan_keys(actor(cast.login_only), cast.guest.pk, [key.pk], Plan("remove"))
    with pytest.raises(NotFound):
        plan_keys(actor(cast.admin), cast.guest.pk, [other.pk], Plan("remove"))
    with pytest.raises(Conflict):
        plan_keys(actor(cast.admin), cast.guest.pk, [removed.pk], Plan("remove"))
    with pytest.raises(NotAllowed):
        leaving_page(actor(cast.login_only), cast.guest.pk)
    assert not leaving_page(actor(cast.user), cast.guest.pk).all_of_them
