"""Find whom the sign-in provider can confirm."""

from __future__ import annotations

from datetime import datetime

from keys.models import AuditEvent, SsoLink
from keys.oidc.provider import provider_if_known
from keys.oidc.tokens import NO_AUTH_TIME
from keys.rules.events import Event
from keys.rules.sso import issuer, uses_saml

MOST_EVENTS = 1000
"""How many of the newest confirmations are searched for one at the provider."""


def sso_link_of(user_id: int) -> SsoLink | None:
    """Return the person's link with the provider of the settings. The other providers' links do nothing."""
    links = SsoLink.objects.select_related("user").filter(user=user_id, issuer=issuer())
    return links.first() if issuer() else None


def provider_tells_auth_time() -> bool:
    """Return whether a step-up at the provider may work, as far as this process knows."""
    if uses_saml():
        return True
    known = provider_if_known()
    return known is None or known.sends_auth_time is not False


def newest_step_up() -> tuple[datetime, bool] | None:
    """Return when somebody last confirmed their identity at the provider, and whether ``auth_time`` was
    missing.

    Other refusals say nothing about the provider.
    """
    events = AuditEvent.objects.filter(type=Event.IDENTITY_CONFIRMED).order_by("-at", "-id")
    for at, outcome, reason, details in events.values_list("at", "outcome", "reason", "details")[
        :MOST_EVENTS
    ]:
        from_here = details.get("provider") == issuer()
        if from_here and (outcome == AuditEvent.Outcome.DONE or reason == NO_AUTH_TIME):
            return at, reason == NO_AUTH_TIME
    return None
