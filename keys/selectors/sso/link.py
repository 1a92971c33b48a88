"""Find whom the sign-in provider can confirm."""

from __future__ import annotations

from django.conf import settings

from keys.models import SsoLink
from keys.oidc.provider import provider_if_known


def sso_link_of(user_id: int) -> SsoLink | None:
    """Return the person's link with the provider of the settings. The other providers' links do nothing."""
    issuer = settings.PORTAL_OIDC_ISSUER
    links = SsoLink.objects.select_related("user").filter(user=user_id, issuer=issuer)
    return links.first() if issuer else None


def provider_tells_auth_time() -> bool:
    """Return whether a step-up at the provider may work, as far as this process knows."""
    known = provider_if_known()
    return known is None or known.sends_auth_time is not False
