"""Test the acts that tell people something, and that an erased person is in no notification."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from keys.actions.keys.find_leaked import find_leaked
from keys.actions.notifications import forget_old
from keys.actions.notifications.forget_old import forget_old_notifications
from keys.actions.notifications.notify import notify, queue_mail
from keys.actions.people.erase import erase_person
from keys.crypto import fingerprint
from keys.models import Delivery, InboxItem, Notification, User
from keys.rules.notifications import FOR_PEOPLE, Kind
from tests.cast import a_key, actor, email_of

SECRET = "sbx_CANARY_Zq7Xw2Lp9Rt4Vb6Nm1Kc8"


@pytest.fixture
def leaked(cast, settings):
    peppers = settings.PORTAL_PEPPERS
    made = fingerprint.compute(SECRET, peppers=peppers, pepper_id=[*peppers][-1])
    return a_key(cast.user, name="Payroll", fingerprint=made.digest, pepper_id=made.pepper_id)


def test_a_found_key_is_told_to_its_people_and_the_highest_admins_without_the_key(cast, leaked):
    for _ in range(2):
        find_leaked(actor(cast.admin), file=io.BytesIO(f"key={SECRET}".encode()))
    [message] = Notification.objects.all()
    assert (message.kind, message.key, message.path) == ("key.leaked", leaked, f"/keys/{leaked.pk}/")
    told = set(InboxItem.objects.values_list("user__email", flat=True))
    assert told == {email_of(name) for name in ("user", "owner", "super_admin")}
    said = message.words + message.text + "".join(one.text + one.subject for one in Delivery.objects.all())
    assert "CANARY" not in said
    assert "“Payroll”" in said


def test_a_text_without_a_key_is_told_to_nobody(cast, leaked):
    find_leaked(actor(cast.admin), text="Nothing of ours is in here.")
    assert not Notification.objects.exists()


def test_people_choose_the_kinds_that_an_act_sends_and_no_other():
    files = [file for part in ("actions", "jobs") for file in Path("keys", part).rglob("*.py")]
    code = "".join(file.read_text() for file in files if file.name != "notify.py")
    sent = {kind for kind in Kind if re.search(rf"\bKind\.{kind.name}\b", code)}
    assert {*FOR_PEOPLE, Kind.CHANNEL_TEST} == sent


def test_an_erased_person_is_in_no_notification_and_no_mail(cast):
    person = cast.guest
    notify(Kind.PERSON_LEFT, words=f"{person.name} has left.", path="/", to=[cast.admin, person])
    notify(Kind.KEY_EXPIRES, words="“Nightly” expires.", path="/", to=[cast.admin, person])
    queue_mail([person.email, email_of("admin")], "S", "T")
    User.objects.filter(pk=person.pk).update(is_active=False, added_at=None)
    erase_person(None, person.email)
    assert list(Notification.objects.values_list("words", flat=True)) == ["“Nightly” expires."]
    assert not InboxItem.objects.filter(user=person).exists()
    assert [one.to for one in Delivery.objects.all()] == [[email_of("admin")]]


def test_all_old_notifications_are_deleted_in_one_run_with_bounded_transactions(cast, monkeypatch):
    monkeypatch.setattr(forget_old, "READ_AT_ONCE", 7)
    long_ago = timezone.now() - timedelta(days=401)
    rows = [Notification(kind=Kind.KEY_EXPIRES, words="W", path="/", at=long_ago) for _ in range(20)]
    Notification.objects.bulk_create(rows)
    assert forget_old_notifications() == 20
    assert not Notification.objects.exists()


def test_old_notifications_and_deliveries_are_deleted(cast):
    for days in (1, 100, 401):
        made = notify(Kind.KEY_EXPIRES, words=f"{days}", path="/", to=[cast.admin])
        assert made is not None
        at = timezone.now() - timedelta(days=days)
        Notification.objects.filter(pk=made.pk).update(at=at)
        Delivery.objects.filter(notification=made).update(queued_at=at)
    assert forget_old_notifications() == 3
    assert set(InboxItem.objects.values_list("notification__words", flat=True)) == {"1", "100"}
    assert list(Delivery.objects.values_list("notification__words", flat=True)) == ["1"]
