"""Decide whether an answer of the provider proves that a signed-in person has just signed in there."""

from __future__ import annotations

import hmac
import time

from keys.actions.people.sign_in import record_confirmation
from keys.evidence.logged_links import is_forged_link
from keys.models import SsoRequest
from keys.oidc.tokens import NO_AUTH_TIME
from keys.rules.errors import ProviderRefused
from keys.rules.permissions import Actor
from keys.rules.sso import SKEW, Claims, contexts

OTHER_PERSON = "Somebody else signed in at the sign-in provider."
NOT_ASKED = "The sign-in provider did not ask you to sign in again."
FROM_THE_FUTURE = "The sign-in provider says that you will sign in later. Check both clocks."
TOO_WEAK = "The sign-in provider did not check your identity as strongly as the portal requires."


def confirm_with_provider(request: SsoRequest, claims: Claims, actor: Actor) -> None:
    """Record a step-up, or raise ``ProviderRefused``. Asking the provider proves nothing; its answer must.

    Issuer, signature and nonce are checked already.
    """
    link = request.link
    if link is None or request.user_id != actor.user_id or link.user_id != actor.user_id:
        raise ProviderRefused("This confirmation was started by another person.")
    same_issuer = link.issuer == claims.issuer == request.issuer
    if not same_issuer or not hmac.compare_digest(link.subject.encode(), claims.subject.encode()):
        raise ProviderRefused(OTHER_PERSON)
    if is_forged_link(link):
        raise ProviderRefused(
            "The stored link with the sign-in provider is not one that the audit log recorded."
        )
    if claims.auth_time is None:
        raise ProviderRefused(NO_AUTH_TIME)
    if claims.auth_time < request.started_at.timestamp() - SKEW:
        raise ProviderRefused(NOT_ASKED)
    if claims.auth_time > time.time() + SKEW:
        raise ProviderRefused(FROM_THE_FUTURE)
    if contexts() and claims.acr not in contexts():
        raise ProviderRefused(TOO_WEAK)
    record_confirmation(actor, method="sso", provider=claims.issuer)
