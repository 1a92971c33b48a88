"""Test the outbox: a notification is written with its act, once for each person, and as they chose."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone

from keys.actions.notifications.deliver import PAUSES, attempt, claim, deliver_due
from keys.actions.notifications.notify import notify, queue_mail
from keys.actions.notifications.settle import settle
from keys.models import Delivery, InboxItem, Notification, NotificationChoice, User
from keys.rules.notifications import FOR_PEOPLE, How, Kind
from tests.cast import a_key, email_of
from tests.support.bad_server import closed_port
from tests.support.cases import in_one_test

TASK = Kind.KEY_EXPIRES


def tell(*to, kind: Kind = TASK, **more) -> Notification | None:
    return notify(kind, words="“Nightly” expires.", path="/keys/", to=to, **more)


def told() -> tuple[set[str], set[str]]:
    """Return who has it in the inbox, and who gets it by mail."""
    items = InboxItem.objects.values_list("user__email", flat=True)
    return set(items), {address for one in Delivery.objects.all() for address in one.to}


def test_nothing_is_told_if_the_act_fails(cast):
    def fails() -> None:
        tell(cast.admin)
        raise RuntimeError

    with pytest.raises(RuntimeError), transaction.atomic():
        fails()
    assert told() == (set(), set())
    tell(cast.admin)
    assert told() == ({email_of("admin")}, {email_of("admin")})


def test_each_person_is_told_once_by_mail_with_a_link(cast):
    tell(cast.admin, None, cast.admin, cast.user)
    assert deliver_due() == "Sent: 2; failed: 0"
    assert deliver_due() == "Sent: 0; failed: 0"
    letters = {letter.to[0]: letter for letter in mail.outbox}
    assert letters.keys() == {email_of("admin"), email_of("user")}
    letter = letters[email_of("user")]
    assert letter.subject == "[contenzilla] An API key expires soon"
    assert "“Nightly” expires.\n\nhttp://testserver/keys/\n" in letter.body


def test_people_without_an_account_get_only_a_mail_and_those_who_left_nothing(cast):
    User.objects.filter(pk=cast.user.pk).update(is_active=False, added_at=None)
    User.objects.filter(pk=cast.guest.pk).update(is_active=False, left_at=timezone.now())
    tell(*User.objects.filter(pk__in=[cast.user.pk, cast.guest.pk, cast.admin.pk]))
    assert told() == ({email_of("admin")}, {email_of("admin"), email_of("user")})


@in_one_test("alerts", [(), ("ops@example.com",)])
def test_if_all_have_left_the_owner_and_the_super_admins_are_told(cast, settings, alerts):
    settings.PORTAL_ALERT_EMAILS = alerts
    cast.user.left_at = timezone.now()
    tell(cast.user)
    highest = {email_of("owner"), email_of("super_admin")}
    assert told() == (highest, set(alerts) or highest)


@in_one_test("how, told_by", [(How.BOTH, (1, 1)), (How.INBOX, (1, 0)), (How.NOTHING, (0, 0))])
def test_people_choose_for_each_kind_unless_it_must_not_be_muted(cast, how, told_by):
    for kind in FOR_PEOPLE:
        Notification.objects.all().delete()
        NotificationChoice.objects.create(user=cast.admin, kind=kind, how=how)
        tell(cast.admin, kind=kind)
        found = tuple(len(one) for one in told())
        assert found == (told_by if kind.may_mute else (1, 1)), kind
    assert not Kind.KEY_LEAKED.may_mute


def test_a_notification_with_a_name_is_written_once(cast):
    first = tell(cast.admin, once="leak:1")
    assert first is not None
    assert tell(cast.admin, cast.user, once="leak:1") is None
    assert told()[0] == {email_of("admin")}


def test_a_decision_takes_the_task_out_of_every_inbox(cast):
    one, other = a_key(cast.admin), a_key(cast.admin)
    for key in (one, other):
        tell(cast.admin, cast.user, key=key)
    tell(cast.admin, kind=Kind.KEY_DELETED, key=one)
    assert settle(TASK, key=one) == 2
    waiting = InboxItem.objects.filter(done_at=None)
    assert sorted(waiting.values_list("notification__key", "notification__kind")) == sorted(
        [(one.pk, "key.deleted"), (other.pk, "key.expires"), (other.pk, "key.expires")]
    )
    with pytest.raises(ValueError, match="which key, person or request"):
        settle(TASK)


def test_a_text_that_may_be_a_key_is_left_out(cast):
    secret = "Zq7Xw2Lp9Rt4Vb6Nm1Kc8"
    made = notify(TASK, words=f"Look at {secret}.", text=secret, path="/", to=[cast.admin])
    assert made is not None
    assert secret not in made.words + made.text + Delivery.objects.get().text


# ---- Mails that are not accepted


def test_a_mail_server_that_is_down_is_tried_again_and_loses_nothing(cast, settings):
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()
    tell(cast.admin)
    for pause in (*PAUSES, PAUSES[-1]):
        began = timezone.now()
        assert deliver_due() == "Sent: 0; failed: 1"
        assert deliver_due() == "Sent: 0; failed: 0", "it waits"
        row = Delivery.objects.get()
        assert row.retry_at is not None
        assert 0.9 * pause <= row.retry_at - began <= 1.1 * pause + (timezone.now() - began)
        Delivery.objects.update(retry_at=timezone.now())
    settings.EMAIL_BACKEND = locmem
    assert deliver_due() == "Sent: 1; failed: 0"
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.failure, row.failing_since) == (
        "delivered",
        len(PAUSES) + 2,
        "",
        None,
    )


def test_after_five_days_it_is_given_up(cast, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()
    tell(cast.admin)
    Delivery.objects.update(queued_at=timezone.now() - 0.99 * 5 * 24 * PAUSES[2] * 2)
    deliver_due()
    assert Delivery.objects.get().state == "waiting"
    Delivery.objects.update(queued_at=timezone.now() - 5 * 24 * PAUSES[2] * 2, retry_at=timezone.now())
    deliver_due()
    assert Delivery.objects.get().state == "given-up"


def test_two_workers_never_send_the_same_delivery(cast):
    """Both have read the row before either claims it. The control sends twice, because its UPDATE has no condition."""
    tell(cast.admin)
    first, second = Delivery.objects.get(), Delivery.objects.get()
    without_a_condition = Delivery.objects.filter(pk=first.pk)
    with transaction.atomic():
        assert [without_a_condition.update(retry_at=first.retry_at) for _ in range(2)] == [1, 1]
    assert [claim(first), claim(second)] == [True, False]
    assert attempt(first) == ""
    assert deliver_due() == "Sent: 0; failed: 0"
    assert len(mail.outbox) == 1


def test_a_worker_that_dies_while_it_sends_loses_nothing(cast):
    tell(cast.admin)
    assert claim(Delivery.objects.get())
    assert deliver_due() == "Sent: 0; failed: 0", "the other worker may still send it"
    Delivery.objects.update(retry_at=timezone.now())  # its lease is over
    assert deliver_due() == "Sent: 1; failed: 0"


def test_a_time_that_is_not_the_portals_delays_no_mail(cast):
    queue_mail([email_of("admin")], "S", "T")
    Delivery.objects.update(retry_at=timezone.now() + 3 * PAUSES[-1])
    assert deliver_due() == "Sent: 1; failed: 0"
