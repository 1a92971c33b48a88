"""Test reminders: owners get at most one mail a day, and each reminder only once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from keys.jobs.reminders import remind_owners
from keys.models import ApiKey, Reminder, User
from keys.rules.lifecycle import State
from tests.cast import a_key, email_of
from tests.support.bad_server import closed_port

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def expiring(owner, ahead: timedelta, *, name: str = "Nightly", life: timedelta = 90 * DAY) -> ApiKey:
    expires_at = timezone.now() + ahead
    return a_key(owner, name=name, created_at=expires_at - life, expires_at=expires_at)


def a_day_later() -> None:
    for row in Reminder.objects.all():
        Reminder.objects.filter(pk=row.pk).update(sent_at=row.sent_at - DAY)


def named() -> list[list[str]]:
    """Return the keys of each mail so far."""
    return [re.findall("“(.+?)”", str(letter.body)) for letter in mail.outbox]


def test_each_owner_gets_one_mail_with_keys_times_and_links(cast):
    first, _ = expiring(cast.admin, 6 * DAY), expiring(cast.admin, 20 * DAY, name="Weekly")
    expiring(cast.owner, HOUR, name="Hourly")
    expiring(cast.admin, 31 * DAY, name="Not yet")
    assert remind_owners() == "Owners reminded: 2"
    letters = {letter.to[0]: letter for letter in mail.outbox}
    assert letters.keys() == {email_of("admin"), email_of("owner")}
    letter = letters[email_of("admin")]
    assert letter.subject == "[contenzilla] 2 API keys need your attention"
    assert re.findall("“(.+?)”", str(letter.body)) == ["Nightly", "Weekly"]
    assert f"expires on {first.expires_at:%d %B %Y, %H:%M} UTC" in letter.body
    assert f"http://testserver/keys/{first.pk}/" in letter.body


@pytest.mark.parametrize(
    ("life", "told_at"),
    [(90 * DAY, [30, 7, 1]), (20 * DAY, [7, 1]), (5 * DAY, [1]), (DAY, []), (HOUR, [])],
)
def test_a_key_is_reminded_of_at_30_7_and_1_days_if_it_lives_longer(cast, life, told_at):
    key = expiring(cast.admin, life, life=life)
    told = []
    for days in [day for day in (60, 30, 20, 15, 7, 5, 3, 1, 0.5) if day * DAY < life]:
        now = timezone.now()
        ApiKey.objects.filter(pk=key.pk).update(
            created_at=now + days * DAY - life - HOUR, expires_at=now + days * DAY - HOUR
        )
        before = len(mail.outbox)
        remind_owners()
        told += [days] * (len(mail.outbox) - before)
        a_day_later()
    assert told == told_at


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
    assert remind_owners() == "Owners reminded: 0"


def test_owners_who_may_not_sign_in_get_no_mail(cast):
    expiring(cast.admin, 6 * DAY)
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    assert remind_owners() == "Owners reminded: 0"


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
    assert remind_owners() == "Owners reminded: 0"


def test_a_mail_server_that_is_down_loses_nothing(cast, settings):
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()
    expiring(cast.admin, 6 * DAY)
    assert "did not accept" in remind_owners()
    settings.EMAIL_BACKEND = locmem
    assert remind_owners() == "Owners reminded: 1"
