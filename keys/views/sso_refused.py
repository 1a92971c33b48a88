"""Say why a sign-in or a step-up with the sign-in provider did not work, and what to do next."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keys.rules.errors import PortalError
from keys.selectors.sso.link import provider_place
from keys.views.people import offers_provider


def refused(
    request: HttpRequest,
    error: PortalError,
    *,
    email: str = "",
    next_path: str = "",
    kept: str = "",
    posted_elsewhere: bool = False,
) -> HttpResponse:
    """``email``: who signed in at the provider, if it said so. ``kept``: input to send again afterwards.

    ``posted_elsewhere``: another site sent the form, without our cookies. Then the page has no form, whose
    token would replace that of other tabs.
    """
    is_signed_in = request.user.is_authenticated
    is_down = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    context = {
        "title": "Your identity was not confirmed" if is_signed_in and not is_down else error.title,
        "sentence": error.sentence,
        "email": email,
        "next_path": next_path,
        "kept": kept,
        "place": provider_place(),
        "is_down": is_down,
        "posted_elsewhere": posted_elsewhere,
        "confirms_there": is_signed_in and offers_provider(request),
    }
    response = render(request, "account/sso_refused.html", context, status=error.status)
    response["Cache-Control"] = "no-store, private"
    return response
