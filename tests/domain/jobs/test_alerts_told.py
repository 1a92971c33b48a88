"""Test that alerts reach inboxes, mails and channels through the outbox, all or nothing."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from keys.actions.notifications.deliver import deliver_due
from keys.actions.safeguards.quarantine import Cause, end_quarantine, start_quarantine
from keys.jobs import alerts as alerts_module
from keys.jobs.schedule import make_rows
from keys.jobs.tasks import alerts as alerts_job
from keys.models import Delivery, InboxItem, PeriodicJob
from tests.domain.jobs.test_alerts import keep_alerts
from tests.support.bad_server import closed_port
from tests.support.channels import a_channel


def test_a_mail_server_that_is_down_delays_an_alert_and_the_inbox_and_the_channels_have_it(cast, settings):
    locmem = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", closed_port()
    channel = a_channel()
    start_quarantine(Cause.OPERATOR, "Why.")
    make_rows()
    alerts_job.func()
    row = PeriodicJob.objects.get(name="alerts")
    assert (row.succeeded, row.summary) == (True, "Alerts: 1; told to 2 people; deletions told: 0")
    told = InboxItem.objects.filter(state="task", notification__kind="alert.began")
    assert {item.user for item in told} == {cast.owner, cast.super_admin}
    assert told[0].notification.words.startswith("The quarantine is on.")
    channels = Delivery.objects.filter(channel=channel).values_list("notification__kind", flat=True)
    assert list(channels.order_by("id")) == ["alert.began"]
    deliver_due()
    assert mail.outbox == []
    settings.EMAIL_BACKEND = locmem
    Delivery.objects.filter(channel=None).update(retry_at=timezone.now())
    deliver_due()
    assert len(mail.outbox) == 1
    end_quarantine(None)
    alerts_job.func()
    assert not told.all().exists(), "a resolved alert waits for nobody"
    assert list(channels.order_by("id")) == ["alert.began", "alert.ended"]


@pytest.mark.parametrize("table", ["keys_delivery", "keys_notification"])
def test_an_alert_that_somebody_deletes_before_it_is_sent_is_told_again(cast, table):
    start_quarantine(Cause.OPERATOR, "Why.")
    alerts_module.keep_alerts()
    assert alerts_module.keep_alerts().endswith("nothing new to tell")
    with connection.cursor() as cursor:
        for name in ("keys_inboxitem", "keys_delivery", table):
            cursor.execute(f"DELETE FROM {name}")
    assert "told to" in keep_alerts()
    assert len(mail.outbox) == 1
    assert keep_alerts().endswith("nothing new to tell")


def test_an_alert_is_marked_as_told_only_with_its_mail(cast, monkeypatch):
    start_quarantine(Cause.OPERATOR, "Why.")
    with monkeypatch.context() as broken:
        broken.setattr(alerts_module, "_notify_of", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            keep_alerts()
    assert not Delivery.objects.exists()
    assert "told to" in keep_alerts()
