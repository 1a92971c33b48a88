"""Ask the sign-in provider harmless questions, to find out whether the settings fit it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from keys.delivery.https import NotDelivered, remedy
from keys.oidc.client import redirect_address, token_request
from keys.oidc.provider import (
    ALGORITHMS,
    LATER,
    OK,
    Provider,
    ask,
    current_provider,
    description_of,
    forget,
    send,
)
from keys.rules.errors import ProviderError, ProviderRefused
from keys.rules.sso import SKEW


class Finding(NamedTuple):
    """``ok``: None if nobody can tell from here. ``words``: what was found, and what to do."""

    ok: bool | None
    name: str
    words: str


def check_up() -> Iterator[Finding]:
    """Yield one finding after the other. After a failure that the others depend on, there are no more."""
    missing = [
        name for name in ("PORTAL_OIDC_ISSUER", "PORTAL_OIDC_CLIENT_ID") if not getattr(settings, name)
    ]
    if missing:
        yield Finding(False, "settings", f"{' and '.join(missing)} must be set.")
        return
    forget()
    found = _discovery()
    yield found
    if not found.ok:
        return
    at = current_provider()
    for name, check in CHECKS.items():
        try:
            yield check(at)
        except ProviderError as error:
            yield Finding(False, name, _words(error))


def _discovery() -> Finding:
    issuer = settings.PORTAL_OIDC_ISSUER
    url = description_of(issuer)
    try:
        answer = ask(url)
        if answer.status != OK:
            moved = f", and leads to {answer.location[:200]}" if answer.location else ""
            words = (
                f"{url} answers {answer.status}{moved}. Set PORTAL_OIDC_ISSUER to the part of your "
                "provider's address before /.well-known/openid-configuration, exactly as “issuer” on that "
                "page names it."
            )
            return Finding(False, "discovery", words)
        current_provider()
    except ProviderRefused as error:
        advice = "If that is yours, set PORTAL_OIDC_ISSUER to the former, character by character."
        return Finding(False, "discovery", f"{error.sentence} {advice}")
    except ProviderError as error:
        return Finding(False, "discovery", f"{_words(error)} Check PORTAL_OIDC_ISSUER.")
    return Finding(True, "discovery", f"{issuer} describes itself.")


def _words(error: ProviderError) -> str:
    """Return what went wrong, and the setting that helps, for the person who runs the portal."""
    cause = error.__cause__
    if isinstance(cause, NotDelivered):
        return f"{cause.sentence} {remedy(cause, 'PORTAL_OIDC')}".strip()
    return error.sentence.removesuffix(LATER).strip()


def _clock(at: Provider) -> Finding:
    date = ask(description_of(at.issuer)).date
    try:
        ahead = round(time.time() - parsedate_to_datetime(date).timestamp())
    except ValueError:
        return Finding(None, "clock", "The provider does not say what time it is.")
    if abs(ahead) > SKEW:
        words = (
            f"The clocks differ by {abs(ahead)} s, and {SKEW} s are allowed. Synchronise this machine's "
            "(NTP)."
        )
        return Finding(False, "clock", words)
    return Finding(True, "clock", "It agrees with the provider's.")


def _keys(at: Provider) -> Finding:
    count = at.usable_keys()
    algorithms = at.facts.get("id_token_signing_alg_values_supported", [])
    allowed = [name for name in ALGORITHMS if name in algorithms]
    if not count or (algorithms and not allowed):
        words = f"No published key fits. Let the provider sign ID tokens with one of {', '.join(ALGORITHMS)}."
        return Finding(False, "keys", words)
    return Finding(True, "keys", f"{count} can check the signature of an ID token.")


def _pkce(at: Provider) -> Finding:
    listed = at.lists("code_challenge_methods_supported", "S256")
    if listed is None:
        return Finding(
            None, "PKCE", "The provider does not say whether it checks S256. The portal sends it anyway."
        )
    words = (
        "The provider checks it (S256)."
        if listed
        else "The provider does not support S256, which the portal needs. Turn it on there for this client."
    )
    return Finding(listed, "PKCE", words)


def _origin(at: Provider) -> Finding:
    parts = urlsplit(at.address("authorization_endpoint"))
    origin = f"{parts.scheme}://{parts.netloc}"
    allowed = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"]
    if origin not in allowed:
        return Finding(False, "sign-in page", f"It is at {origin}. Add it to PORTAL_OIDC_FORM_ACTION.")
    return Finding(True, "sign-in page", f"It is at {origin}.")


def _redirect(at: Provider) -> Finding:
    """Ask without a person. A provider that knows the redirect address sends the refusal there."""
    asked = {
        "response_type": "code",
        "client_id": settings.PORTAL_OIDC_CLIENT_ID,
        "redirect_uri": redirect_address(),
        "scope": settings.PORTAL_OIDC_SCOPES,
        "state": "check",
        "nonce": "check",
        "prompt": "none",
        "code_challenge": secrets.token_urlsafe(32),
        "code_challenge_method": "S256",
    }
    address = at.address("authorization_endpoint")
    as_a_browser = {"Accept": "text/html"}
    answer = ask(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", headers=as_a_browser)
    if answer.location.startswith(f"{redirect_address()}?"):
        return Finding(True, "redirect address", f"The provider accepts {redirect_address()}.")
    asks_to_sign_in = answer.status == HTTPStatus.UNAUTHORIZED
    if answer.status >= HTTPStatus.BAD_REQUEST and not asks_to_sign_in:
        words = (
            f"The provider does not accept it. Register exactly {redirect_address()} there, and check that "
            "PORTAL_OIDC_CLIENT_ID is the id of that registration."
        )
        return Finding(False, "redirect address", words)
    words = f"The provider shows a page instead of an answer. Check that {redirect_address()} is registered."
    return Finding(None, "redirect address", words)


def _secret(at: Provider) -> Finding:
    """Redeem a code that does not exist. A provider checks the client first."""
    form, headers = token_request(at, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    status, answer = send(at.address("token_endpoint"), form=form, headers=headers)
    error = answer.get("error")
    if error in {"invalid_client", "unauthorized_client"}:
        words = "The provider refuses the client. Check PORTAL_OIDC_CLIENT_ID and PORTAL_OIDC_CLIENT_SECRET."
        return Finding(False, "client", words)
    if error == "invalid_grant":
        return Finding(True, "client", "The provider accepts id and secret.")
    return Finding(
        None, "client", f"The provider answers {status}, which does not say whether id and secret fit."
    )


def _scopes(at: Provider) -> Finding:
    missing = [
        name for name in settings.PORTAL_OIDC_SCOPES.split() if at.lists("scopes_supported", name) is False
    ]
    if "openid" not in settings.PORTAL_OIDC_SCOPES.split():
        return Finding(False, "scopes", "PORTAL_OIDC_SCOPES must contain openid.")
    if missing:
        return Finding(None, "scopes", f"The provider does not list {', '.join(missing)}.")
    return Finding(True, "scopes", settings.PORTAL_OIDC_SCOPES)


def _acr(at: Provider) -> Finding:
    unknown = [name for name in settings.PORTAL_OIDC_ACR if at.lists("acr_values_supported", name) is False]
    if unknown:
        listed = ", ".join(str(name) for name in at.facts["acr_values_supported"]) or "none"
        words = f"The provider does not list {', '.join(unknown)}."
        return Finding(False, "acr", f"{words} Set PORTAL_OIDC_ACR to what it lists: {listed}.")
    return Finding(True, "acr", " ".join(settings.PORTAL_OIDC_ACR) or "Any is accepted (PORTAL_OIDC_ACR).")


CHECKS: dict[str, Callable[[Provider], Finding]] = {
    "clock": _clock,
    "keys": _keys,
    "PKCE": _pkce,
    "sign-in page": _origin,
    "redirect address": _redirect,
    "client": _secret,
    "scopes": _scopes,
    "acr": _acr,
}
