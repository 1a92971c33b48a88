"""Test reminders: owners get at most one mail a day, and each reminder only once."""

from __future__ import annotations

import re
import zoneinfo
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from keys.actions.notifications.deliver import deliver_due
from keys.audit.results import seal_of_reminder
from keys.jobs import deletions, reminders
from keys.models import ApiKey, Delivery, InboxItem, Reminder, User
from keys.rules.lifecycle import State
from tests.cast import a_key, an_event, email_of
from tests.support.bad_server import closed_port
from tests.support.cases import in_one_test

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def remind_owners() -> str:
    """Write the reminders, and send them as the worker does."""
    said = reminders.remind_owners()
    deliver_due()
    return said


def tell_of_deletions() -> str:
    said = deletions.tell_of_deletions()
    deliver_due()
    return said


def expiring(owner, ahead: timedelta, *, name: str = "Nightly", life: timedelta = 90 * DAY) -> ApiKey:
    expires_at = timezone.now() + ahead
    return a_key(owner, name=name, created_at=expires_at - life, expires_at=expires_at)


def a_day_later() -> None:
    for row in Reminder.objects.all():
        row.sent_at -= DAY
        row.seal = seal_of_reminder(row)
        row.save()


def named() -> list[list[str]]:
    """Return the keys of each mail so far."""
    return [re.findall("“(.+?)”", str(letter.body)) for letter in mail.outbox]


def test_each_owner_gets_one_mail_with_keys_times_and_links(cast):
    first, _ = expiring(cast.admin, 6 * DAY), expiring(cast.admin, 20 * DAY, name="Weekly")
    expiring(cast.owner, HOUR, name="Hourly")
    expiring(cast.admin, 31 * DAY, name="Not yet")
    assert remind_owners() == "Mails written: 2"
    letters = {letter.to[0]: letter for letter in mail.outbox}
    assert letters.keys() == {email_of("admin"), email_of("owner")}
    letter = letters[email_of("admin")]
    assert letter.subject == "[contenzilla] 2 API keys need your attention"
    assert re.findall("“(.+?)”", str(letter.body)) == ["Nightly", "Weekly"]
    assert f"expires on {first.expires_at.day} {first.expires_at:%B %Y, %H:%M} (UTC)" in letter.body
    assert f"http://testserver/keys/{first.pk}/" in letter.body


@in_one_test(
    "life, told_at",
    [(90 * DAY, [30, 14, 7, 1]), (20 * DAY, [14, 7, 1]), (5 * DAY, [1]), (DAY, []), (HOUR, [])],
)
def test_a_key_is_reminded_of_at_30_14_7_and_1_days_if_it_lives_longer(cast, life, told_at):
    key = expiring(cast.admin, life, life=life)
    told = []
    for days in [day for day in (60, 30, 20, 15, 14, 7, 5, 3, 1, 0.5) if day * DAY < life]:
        now = timezone.now()
        ApiKey.objects.filter(pk=key.pk).update(
            created_at=now + days * DAY - life - HOUR, expires_at=now + days * DAY - HOUR
        )
        before = len(mail.outbox)
        remind_owners()
        told += [days] * (len(mail.outbox) - before)
        a_day_later()
    assert told == told_at


def test_a_reminder_is_a_task_in_the_inbox_and_a_deletion_a_message(cast):
    expiring(cast.admin, 6 * DAY)
    a_key(cast.admin, name="Ended", state=State.REVOKED, removed_at=timezone.now())
    remind_owners()
    tell_of_deletions()
    items = InboxItem.objects.filter(user=cast.admin).order_by("pk")
    assert list(items.values_list("state", "notification__kind")) == [
        ("task", "key.expires"),
        ("message", "key.deleted"),
    ]


def test_a_row_that_somebody_inserts_stops_no_mail(cast):
    key = expiring(cast.admin, 6 * DAY)
    ended = a_key(cast.admin, name="Ended", state=State.REVOKED, removed_at=timezone.now())
    now = timezone.now()
    Reminder.objects.create(key=key, kind="7", sent_at=now)
    Reminder.objects.create(key=ended, kind="deleted", sent_at=now)
    assert (remind_owners(), tell_of_deletions()) == ("Mails written: 1", "deletions told: 1")
    assert named() == [["Nightly"], ["Ended"]]
    assert (remind_owners(), tell_of_deletions()) == ("Mails written: 0", "deletions told: 0")


def test_no_reminder_is_repeated_and_there_is_one_mail_a_day(cast):
    expiring(cast.admin, 6 * DAY)
    remind_owners()
    remind_owners()
    expiring(cast.admin, 6 * DAY, name="Weekly")
    remind_owners()
    assert named() == [["Nightly"]]
    a_day_later()
    remind_owners()
    assert named() == [["Nightly"], ["Weekly"]]


@pytest.mark.parametrize(
    "columns", [{"state": State.REVOKED, "removed_at": timezone.now()}, {"state": State.REFUSED}]
)
def test_ended_keys_are_not_reminded_of(cast, columns):
    key = expiring(cast.admin, 6 * DAY)
    ApiKey.objects.filter(pk=key.pk).update(**columns)
    expiring(cast.owner, -HOUR)
    assert remind_owners() == "Mails written: 0"


def test_an_owner_without_an_account_is_mailed_and_told_whom_to_ask(cast):
    expiring(cast.user, 6 * DAY)
    User.objects.filter(pk=cast.user.pk).update(is_active=False, added_at=None)
    assert remind_owners() == "Mails written: 1"
    [letter] = mail.outbox
    assert letter.to == [email_of("user")]
    assert f"ask one of its admins: Owner Person ({email_of('owner')})" in letter.body


def test_the_owner_the_accountable_person_and_the_backup_get_one_mail(cast):
    key = expiring(cast.user, 6 * DAY)
    ApiKey.objects.filter(pk=key.pk).update(backup_id=cast.guest.pk, **ApiKey.accountable_columns(cast.admin))
    expiring(cast.user, 6 * DAY, name="Alone")
    ApiKey.objects.filter(name="Alone").update(**ApiKey.accountable_columns(None))
    assert remind_owners() == "Mails written: 2"
    assert [sorted(letter.to) for letter in mail.outbox] == [
        sorted([email_of("user"), email_of("admin"), email_of("guest")]),
        [email_of("user")],
    ]
    assert remind_owners() == "Mails written: 0"


@pytest.mark.parametrize("addresses", [(), ("ops@example.com",)])
def test_if_all_of_them_have_left_admins_are_mailed(cast, settings, addresses):
    settings.PORTAL_ALERT_EMAILS = addresses
    key = expiring(cast.user, 6 * DAY)
    ApiKey.objects.filter(pk=key.pk).update(**ApiKey.accountable_columns(None))
    User.objects.filter(pk=cast.user.pk).update(is_active=False, left_at=timezone.now())
    assert remind_owners() == "Mails written: 1"
    [letter] = mail.outbox
    assert letter.to == list(addresses or (email_of("owner"), email_of("super_admin")))
    assert "You get this mail as an admin" in letter.body


def test_viewed_keys_that_were_not_stored_are_reminded_of_after_a_day(cast):
    now = timezone.now()
    claimed = {"state": State.CLAIMED, "stored_at": None, "expires_at": now + 99 * DAY}
    key = a_key(cast.admin, name="Viewed", due_at=now + 47 * HOUR, **claimed)
    a_key(cast.admin, name="Just viewed", due_at=now + 49 * HOUR, **claimed)
    remind_owners()
    assert named() == [["Viewed"]]
    [letter] = mail.outbox
    assert "nobody has confirmed that it is stored" in letter.body
    assert f"http://testserver/keys/{key.pk}/store/" in letter.body
    a_day_later()
    assert remind_owners() == "Mails written: 0"


def test_a_mail_server_that_is_down_loses_nothing(cast, settings):
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()
    expiring(cast.admin, 6 * DAY)
    assert remind_owners() == "Mails written: 1"
    assert mail.outbox == []
    settings.EMAIL_BACKEND = locmem
    assert remind_owners() == "Mails written: 0"
    Delivery.objects.update(retry_at=timezone.now())
    assert deliver_due() == "Sent: 1; failed: 0"
    assert named() == [["Nightly"]]


def deleted(owner, **columns) -> ApiKey:
    return a_key(owner, state=State.REVOKED, removed_at=timezone.now() - HOUR, **columns)


def of(key: ApiKey, person: User | None) -> None:
    who = {"actor_id": person.pk, "actor_name": person.name, "actor_email": person.email} if person else {}
    an_event(type="key:start-delete", key_id=key.pk, key_name=key.name, outcome="done", **who).save()


def test_the_people_of_a_key_are_told_who_deleted_it_once(cast):
    key = deleted(cast.user, name="Payroll", backup_id=cast.guest.pk)
    of(key, cast.admin)
    assert tell_of_deletions() == "deletions told: 1"
    [letter] = mail.outbox
    assert {email_of("user"), email_of("guest")} <= set(letter.to)
    assert letter.subject == "[contenzilla] An API key was deleted"
    assert f"Your key “Payroll” was deleted by Admin Person ({email_of('admin')})" in letter.body
    assert tell_of_deletions() == "deletions told: 0"


def test_nobody_is_told_of_their_own_deletion_or_an_old_one(cast):
    alone = ApiKey.accountable_columns(None)
    of(deleted(cast.admin, name="Own", **alone), cast.admin)
    old = deleted(cast.user, name="Old")
    ApiKey.objects.filter(pk=old.pk).update(removed_at=timezone.now() - 3 * DAY)
    assert tell_of_deletions() == "deletions told: 0"


def test_of_the_people_of_a_key_the_one_who_deleted_it_is_not_told(cast, settings):
    of(deleted(cast.user, name="Shared", **ApiKey.accountable_columns(cast.admin)), cast.admin)
    settings.PORTAL_ALERT_EMAILS = ()
    nobodys = deleted(cast.guest, name="Nobody's", **ApiKey.accountable_columns(None))
    User.objects.filter(pk=cast.guest.pk).update(left_at=timezone.now())
    of(nobodys, cast.owner)
    assert tell_of_deletions() == "deletions told: 2"
    assert {tuple(letter.to) for letter in mail.outbox} == {(email_of("user"),), (cast.super_admin.email,)}
    told = InboxItem.objects.values_list("user", flat=True)
    assert set(told) == {cast.user.pk, cast.super_admin.pk}


@pytest.mark.parametrize(("by_timer", "said"), [(True, "by the portal itself"), (False, "in Cerby, outside")])
def test_deletions_by_the_portal_and_in_cerby_are_told(cast, by_timer, said):
    key = deleted(cast.user)
    if by_timer:
        of(key, None)
    tell_of_deletions()
    assert said in mail.outbox[0].body


def test_if_the_mail_server_is_down_deletions_are_told_later(cast, settings):
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()
    deleted(cast.user)
    assert tell_of_deletions() == "deletions told: 1"
    assert mail.outbox == []
    settings.EMAIL_BACKEND = locmem
    Delivery.objects.update(retry_at=timezone.now())
    assert deliver_due() == "Sent: 1; failed: 0"


def test_a_mail_uses_the_zone_of_its_reader_or_of_the_organisation_and_says_which(cast, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    soon = timezone.now() + timedelta(days=20)
    zones = {"user": "Europe/Berlin", "guest": "America/New_York"}
    for name, zone in zones.items():
        User.objects.filter(pk=getattr(cast, name).pk).update(time_zone=zone)
    dates = {"expires_at": soon, "created_at": timezone.now() - timedelta(days=90)}
    a_key(cast.user, name="One", **dates)
    a_key(cast.user, name="Two", backup=cast.guest, **dates)
    a_key(cast.admin, name="Three", **dates)
    remind_owners()
    texts = list(Delivery.objects.values_list("text", flat=True))
    for name, zone in (("One", "Europe/Berlin"), ("Two", "Asia/Tokyo"), ("Three", "Asia/Tokyo")):
        local = soon.astimezone(zoneinfo.ZoneInfo(zone))
        assert f"{local.day} {local:%B %Y, %H:%M} ({zone})" in next(
            body for body in texts if f"“{name}”" in body
        )
