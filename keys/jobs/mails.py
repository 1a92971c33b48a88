"""Send mails to people.

A request only enqueues them, so that it takes the same time for known and unknown people. No argument is a
secret, because the queue is a table: a link is made when it is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django_tasks import task

from keys.actions.people.password_link import password_link
from keys.delivery import mail
from keys.models import User
from keys.rules.sso import button
from keys.rules.time_zones import zone_of

MAIL = "mail"
"""The queue of these jobs, so that no other job delays them."""
TRIES = 5
PAUSE = timedelta(minutes=2)

logger = structlog.get_logger(__name__)


@task(queue_name=MAIL)
def mail_password_link(user_id: int, tries: int = 1) -> None:
    """Mail a link to set a password, if there is such a person and they may sign in with a password."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is not None and user.may_use_password:
        text = {"password_reset_url": password_link(user), "user": user}
        if not send_mail([user.email], *rendered("account/email/password_reset_key", text)):
            _later(mail_password_link, tries, user_id)


@task(queue_name=MAIL)
def mail_first_link(user_id: int, tries: int = 1) -> None:
    """Mail a person who was added to the portal how to sign in, if they still may.

    If they may use a password, the mail has a link to set it.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is not None and not send_mail([user.email], *first_mail(user)):
        _later(mail_first_link, tries, user_id)


def first_mail(user: User) -> tuple[str, str]:
    link = password_link(user) if user.may_use_password else ""
    return rendered("account/email/person_added", {"link": link, "user": user, "how": how_to_sign_in()})


def how_to_sign_in() -> str:
    """Return how people without a password sign in, as a sentence."""
    if button():
        page = f"{settings.PORTAL_URL}{reverse('account_login')}"
        return f"Choose “{button()}” on the sign-in page: {page}"
    return "Ask the person who runs the portal how to sign in: it uses no passwords."


@task(queue_name=MAIL)
def mail_notice(user_id: int, subject: str, text: str, tries: int = 1) -> None:
    """Mail a person that something about their account has changed."""
    user = User.objects.filter(pk=user_id).first()
    if user is not None and not send_mail([user.email], subject, text):
        _later(mail_notice, tries, user_id, subject, text)


def rendered(template: str, context: dict[str, Any], to: Sequence[User] | None = None) -> tuple[str, str]:
    """Return the subject and the text of the mail whose templates begin with ``template``.

    Its times are in the zone of ``to``, the readers. Without that, ``context`` has the reader as ``user``.
    """
    zone = zone_of([context["user"]] if to is None else to)
    known = {"portal_url": settings.PORTAL_URL, "workspace": settings.CERBY_WORKSPACE, "zone": zone}
    context = known | context
    with timezone.override(zone):
        subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
        return subject, render_to_string(f"{template}_message.txt", context).strip() + "\n"


def send_mail(to: Sequence[str], subject: str, text: str) -> bool:
    """Return whether the mail server accepted the mail. Log a failure."""
    try:
        mail.send(to, subject, text)
    except OSError:  # the base class of SMTP errors
        logger.exception("mail_not_sent")
        return False
    return True


def _later(job: Any, tries: int, *arguments: Any) -> None:
    if tries < TRIES:
        job.using(run_after=timezone.now() + PAUSE).enqueue(*arguments, tries=tries + 1)
