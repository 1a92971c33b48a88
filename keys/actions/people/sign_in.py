"""Confirm people's roles as they sign in, and record sign-ins, failures and sign-outs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from keys.actions.notifications.notify import queue_mail
from keys.actions.people.refresh import A_PERSON_WAITS, refresh_person
from keys.audit import log, refusals
from keys.audit.refusals import Refusal
from keys.crypto.password_hash import digest_of_hash
from keys.evidence.factor_rows import lacks_factors
from keys.evidence.logged_people import has_other_password
from keys.models import AuditEvent, LoggedEmail, Throttle, User
from keys.models.throttle import Budget, throttle_name
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.permissions import Actor

NOT_LIVE = "Not a live member of the workspace in Cerby."
FORGED = (
    "The stored password is not the one that the audit log recorded: somebody changed the database without "
    "the portal. The person can set a new one with “Forgot your password?”."
)
LOST_FACTORS = (
    "The second factors that the audit log recorded are gone: somebody changed the database without the "
    "portal. An Owner or Super Admin can reset the person's second factors."
)
WRONG = {"password": "Wrong password.", "app": "Wrong code.", "passkey": "Wrong passkey."}
NO_PASSWORDS = "This person may not use a password (PORTAL_PASSWORD_SIGN_IN)."
NOBODY = Budget(1, 1)
REPEATED_AFTER = timedelta(hours=24)
"""A contradiction of one kind about one person is recorded once in this time."""

logger = structlog.get_logger(__name__)


def confirm(user: User) -> bool:
    """Return whether ``user`` is live in Cerby. If Cerby does not answer soon, its last answer counts."""
    try:
        return refresh_person(user, within=A_PERSON_WAITS).is_active
    except CerbyError:
        return user.is_active


def why_refused(user: User, *, with_password: bool = True) -> str:
    """Return why ``user``, who proved their identity, may not sign in, or "" if they may."""
    if not confirm(user):
        return NOT_LIVE
    if with_password and has_other_password(user):
        _record_contradiction(user, FORGED)
        return FORGED
    if with_password and lacks_factors(user):
        _record_contradiction(user, LOST_FACTORS)
        return LOST_FACTORS
    return ""


def _record_contradiction(user: User, reason: str) -> None:
    logger.error("row_contradicts_log", user_id=user.pk)
    lately = AuditEvent.objects.filter(
        type=Event.PERSON_REPAIRED,
        outcome=log.Outcome.FAILED,
        reason=reason,
        at__gt=timezone.now() - REPEATED_AFTER,
    )
    if not lately.alias(about=LoggedEmail()).filter(about=user.email).exists():
        log.append(
            Event.PERSON_REPAIRED,
            actor=None,
            outcome=log.Outcome.FAILED,
            reason=reason,
            person=str(user.pk),
            email=user.email,
            before={},
            after={},
        )


def record(user: User, *, ip: str, browser: str, method: str = "password", **how: Any) -> None:
    """Record a sign-in with ``method``, such as "password and app". ``how``: the provider of SSO.

    ``how``: the provider of SSO, and whether the browser is new. Store a new hash of the password if
    ``check_password`` made one.
    """
    details: dict[str, Any] = {"method": method, **how}
    with transaction.atomic():
        rows = User.objects.filter(pk=user.pk, password=user.former_hash)
        if user.former_hash and rows.update(password=user.password) == 1:
            details["password_digest"] = digest_of_hash(user.password)
        log.append(Event.SIGNED_IN, actor=user.as_actor(ip=ip, browser=browser), **details)


def record_break_glass(actor: Actor, told: Sequence[str], subject: str, text: str) -> None:
    """Record that a person used their password while passwords are for emergencies alone, and mail it.

    ``told``: the emails to which the mail goes.
    """
    with transaction.atomic():
        log.append(Event.BREAK_GLASS_USED, actor=actor)
        if told:
            queue_mail(told, subject, text)


def record_end(actor: Actor) -> None:
    log.append(Event.SIGNED_OUT, actor=actor)


def record_confirmation(actor: Actor, *, method: str, **how: Any) -> None:
    """Record that a signed-in person proved once more who they are, for example with their password."""
    log.append(Event.IDENTITY_CONFIRMED, actor=actor, method=method, **how)


def record_failure(
    email: str, event: Event = Event.SIGNED_IN, *, ip: str, browser: str, method: str = "password"
) -> None:
    """Record a wrong password, code or passkey for a known person. For an unknown email nothing is stored.

    Then a count, which limits nothing, takes about as long as the event: the time does not tell who is known.
    """
    user = User.objects.filter(email=email.lower()).first()
    if user is None:
        with transaction.atomic():
            for name in ("nobody", "nobody once"):
                Throttle.objects.take(throttle_name(name, email), NOBODY)
    else:
        forbidden = method == "password" and not user.may_use_password
        reason = NO_PASSWORDS if forbidden else WRONG[method]
        _refuse(user, reason, event, ip=ip, browser=browser, method=method)


def record_refused(user: User, reason: str, *, ip: str, browser: str) -> None:
    """Record a correct password of a person whom ``why_refused`` refused."""
    _refuse(user, reason, Event.SIGNED_IN, ip=ip, browser=browser)


def record_throttled(
    email: str, event: Event = Event.SIGNED_IN, *, ip: str, browser: str, method: str = "password"
) -> None:
    """Record a throttled attempt, at most once a minute per account and IP address.

    For an unknown email nothing is stored.
    """
    user = User.objects.filter(email=email.lower()).first()
    if user is not None:
        where = {"ip": ip, "browser": browser}
        _refuse(user, "Too many attempts.", event, method=method, once=f"throttled {ip}", **where)


def _refuse(
    user: User,
    reason: str,
    event: Event,
    *,
    ip: str,
    browser: str,
    method: str = "password",
    once: str = "",
) -> None:
    """Record a refused attempt. keys.audit.refusals limits the events, so that nobody can fill the log."""
    actor = user.as_actor(ip=ip, browser=browser)
    has_method = event in {Event.SIGNED_IN, Event.IDENTITY_CONFIRMED}
    details = {"method": method} if has_method else {}
    refusals.record_or_count(Refusal(event, actor, reason, once=once, details=details))
