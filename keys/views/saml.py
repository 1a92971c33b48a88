"""Take the sign-in provider's SAML responses, and publish the portal's own metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys import saml
from keys.actions.sso.take import is_awaited
from keys.crypto.kept_text import lock, unlock
from keys.rules.errors import ProviderDown, ProviderError, ProviderRefused
from keys.rules.sso import Claims, issuer, uses_saml
from keys.views.sso import STALE, come_back
from keys.views.sso_refused import refused

UNASKED = (
    "The portal accepts an answer of the sign-in provider only to a sign-in that was started here, once, "
    "within ten minutes. If you came from the provider's list of applications, start on the portal's sign-in "
    "page instead."
)
LASTS = 60
"""Seconds between the provider's POST and our own GET right after it."""
SALT = "keys.saml.answer"


@csrf_exempt  # the provider's page sends this form; the relay state and the signature protect it
@login_not_required
@require_POST
@sensitive_variables()
def acs(request: HttpRequest) -> HttpResponseBase:
    """Check a response, and go on in the browser's own session.

    Another site sends this form, so the browser leaves our cookies out. A cookie carries the result,
    encrypted, to ``finish``, which gets the others too. Nobody is signed in here.
    """
    _check_is_configured()
    state = request.POST.get("RelayState", "")
    if not is_awaited(state):
        return refused(request, ProviderRefused(UNASKED), posted_elsewhere=True)
    result: dict[str, Any] = {"state": state}
    try:
        claims = asdict(saml.read_response(request.POST.get("SAMLResponse", ""), state))
        del claims["issuer"]  # the cookie has no room for it beside a long name
        result["claims"] = claims
    except ProviderError as error:
        result |= {"error": error.sentence, "is_down": isinstance(error, ProviderDown)}
    response = HttpResponseRedirect(reverse("account_saml_finish"))
    response["Cache-Control"] = "no-store, private"
    response.set_cookie(
        _cookie(),
        lock(json.dumps(result, ensure_ascii=False), SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@login_not_required
@require_http_methods(["GET"])  # HEAD must not use up the request
@sensitive_variables()
def finish(request: HttpRequest) -> HttpResponseBase:
    """Sign the person in, or finish their step-up, if this browser started it."""
    _check_is_configured()
    text = unlock(request.COOKIES.get(_cookie(), ""), SALT)
    if not text:
        return refused(request, ProviderRefused(STALE))
    result = json.loads(text)

    def redeem() -> Claims:
        if "claims" in result:
            return Claims(issuer=issuer(), **result["claims"])
        raise (ProviderDown if result["is_down"] else ProviderRefused)(result["error"])

    response = come_back(request, result["state"], redeem)
    response.delete_cookie(_cookie(), samesite="Lax")
    return response


@login_not_required
@require_safe
def metadata(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """Return the portal's metadata, which tells a provider our addresses and our key."""
    _check_is_configured()
    return HttpResponse(saml.own_metadata(), content_type="application/samlmetadata+xml")


def _check_is_configured() -> None:
    if not uses_saml():
        raise Http404


def _cookie() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-saml"
