"""Answer a request whose CSRF token is missing or out of date."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.cache import never_cache


@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Give a script the current token, and a person a page (settings.CSRF_FAILURE_VIEW).

    A sign-in in another tab changes the token. Only this origin can read the answer, as it can read the
    token in any form.
    """
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"csrfToken": get_token(request)}, status=HTTPStatus.FORBIDDEN)
    return render(request, "403_csrf.html", status=HTTPStatus.FORBIDDEN)
