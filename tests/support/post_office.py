"""Run the enqueued mail jobs and send the outbox, as a worker does."""

from __future__ import annotations

from django.core import mail
from django.core.mail import EmailMessage
from django_tasks_db.models import DBTaskResult

from keys.actions.notifications.deliver import deliver_due
from keys.jobs.mails import MAIL


def deliver() -> list[EmailMessage]:
    """Send each mail that is due, and return the mails that were sent."""
    before = len(mail.outbox)
    for result in DBTaskResult.objects.ready().filter(queue_name=MAIL).order_by("enqueued_at"):
        DBTaskResult.objects.filter(pk=result.pk).delete()
        result.task.call(*result.args_kwargs["args"], **result.args_kwargs["kwargs"])
    deliver_due()
    return mail.outbox[before:]
