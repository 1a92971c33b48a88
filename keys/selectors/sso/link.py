"""Find whom the sign-in provider can confirm, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from keys.models import AuditEvent, SsoLink, User
from keys.models.factor import has_passkey
from keys.oidc.provider import provider_if_known
from keys.oidc.tokens import NO_AUTH_TIME
from keys.rules.events import Event
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.sso import issuer, uses_saml
from keys.saml.metadata import sign_in_url_if_known as saml_sign_in_url
from portal.variables import is_loopback

MOST_EVENTS = 1000
"""How many of the newest confirmations are searched for one at the provider."""


def sso_link_of(user_id: int) -> SsoLink | None:
    """Return the person's link with the provider of the settings. The other providers' links do nothing."""
    links = SsoLink.objects.select_related("user").filter(user=user_id, issuer=issuer())
    return links.first() if issuer() else None


def sso_links_of(user_id: int) -> list[SsoLink]:
    """Return all links of a person, also those with a provider that the settings no longer name."""
    return list(SsoLink.objects.filter(user=user_id).order_by("issuer"))


def why_not_unlink_own(user: User) -> str:
    """Return why ``user`` may not unlink themselves, or "" if they may.

    A password for emergencies is no way to sign in every day.
    """
    ask = "Ask an Owner or Super Admin to unlink you."
    if settings.PORTAL_STEP_UP == "idp":
        return f"You have to confirm your identity at the provider (PORTAL_STEP_UP). {ask}"
    with_password = settings.PORTAL_PASSWORD_SIGN_IN == PasswordSignIn.ON and user.has_usable_password()
    if with_password or has_passkey(user.pk):
        return ""
    return f"You could no longer sign in: you have neither a password nor a passkey of the portal. {ask}"


def provider_tells_auth_time() -> bool:
    """Return whether a step-up at the provider may work, as far as this process knows."""
    if uses_saml():
        return True
    known = provider_if_known()
    return known is None or known.sends_auth_time is not False


@dataclass(frozen=True)
class Place:
    """``name``: the provider's host, or its name in the settings. ``url``: where people sign out there."""

    name: str
    url: str


def provider_place() -> Place:
    """Return where the provider of the settings is, as far as this process knows. Nobody is asked.

    A provider of OpenID Connect may announce the page on which people sign out. Otherwise the link leads to
    its start page.
    """
    known = None if uses_saml() else provider_if_known()
    page = str(known.facts.get("end_session_endpoint") or "") if known else ""
    if _may_lead_to(page):
        sign = "&" if "?" in page else "?"
        url = f"{page}{sign}{urlencode({'client_id': settings.PORTAL_OIDC_CLIENT_ID})}"
    else:
        address = saml_sign_in_url() if uses_saml() else issuer()
        url = urlsplit(address)._replace(path="/", query="", fragment="").geturl()
    return Place(urlsplit(issuer()).hostname or issuer(), url if _may_lead_to(url) else "")


def _may_lead_to(url: str) -> bool:
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return bool(parts.hostname) and (parts.scheme == "https" or is_here)


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
