"""Record that a sign-in or a step-up with the sign-in provider was refused."""

from __future__ import annotations

from typing import Any

from keys.audit import log, refusals
from keys.audit.refusals import SEVERAL, Refusal
from keys.models import Throttle, User
from keys.models.throttle import throttle_name
from keys.rules.events import Event
from keys.rules.permissions import Actor
from keys.rules.sso import issuer


def refuse_step_up(actor: Actor, reason: str) -> None:
    refusals.record_or_count(Refusal(Event.IDENTITY_CONFIRMED, actor, reason, details=_details()))


def refuse_sign_in(user: User, reason: str, *, ip: str, browser: str) -> None:
    actor = user.as_actor(ip=ip, browser=browser)
    refusals.record_or_count(Refusal(Event.SIGNED_IN, actor, reason, details=_details()))


def refuse_stranger(email: str, reason: str) -> None:
    """Record a person of the provider whom the portal does not know. All of them share one limit."""
    if Throttle.objects.take(throttle_name("stranger", issuer()), SEVERAL) is not None:
        details = _details() | ({"email": email[:254]} if email else {})
        log.append(Event.SIGNED_IN, actor=None, outcome=log.Outcome.REFUSED, reason=reason, **details)


def _details() -> dict[str, Any]:
    return {"method": "sso", "provider": issuer()}
