"""Let people who must have a second factor do nothing without one after the grace period."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from keys.actions.factors.ask import ask_for_factor, grace_ends
from keys.models import User
from keys.models.factor import has_factor
from keys.rules.factors import Required, must_have_factor
from keys.rules.permissions import Role
from keys.views.htmx import HtmxHttpRequest
from keys.views.people import actor_of

OPEN = frozenset(
    {
        *("keys:enrol", "keys:passkey-add", "keys:passkey-options", "keys:authenticator-add"),
        *("account_reauthenticate", "account_logout", "passkey_options", "keys:livez", "keys:readyz"),
        *("account_sso_confirm", "account_sso_callback"),
    }
)
"""The names of URLs that a person can still use, because they lead to a second factor or out."""
TITLE = "Add a second factor first"


class SecondFactorMiddleware:
    """Note until when the person must have a second factor, as ``request.factor_until``.

    After that time, every page except ``OPEN`` leads to the page that guides them. A person whose session
    began at the sign-in provider is not asked: the provider has its own second factor.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HtmxHttpRequest, *_: Any) -> HttpResponse | None:
        user = request.user
        if not isinstance(user, User) or not must_add_factor(request, user):
            return None
        asked_at = user.factor_asked_at
        is_asked = asked_at is not None and asked_at <= timezone.now()
        until = grace_ends(asked_at) if asked_at and is_asked else ask_for_factor(actor_of(request))
        request.factor_until = until  # type: ignore[attr-defined]
        match = request.resolver_match
        if timezone.now() < until or (match and match.view_name in OPEN):
            return None
        return _lead_to_enrolment(request)


def must_add_factor(request: HttpRequest, user: User) -> bool:
    """Return whether ``user`` has no second factor and must have one."""
    required = Required(settings.PORTAL_MFA_REQUIRED)
    if not must_have_factor(required, Role(user.role)):
        return False
    records = get_authentication_records(request, user)
    began_with_sso = any(one["method"] == "sso" and not one.get("reauthenticated") for one in records)
    return not began_with_sso and not has_factor(user.pk)


def _lead_to_enrolment(request: HtmxHttpRequest) -> HttpResponse:
    url = reverse("keys:enrol")
    if request.htmx:
        return HttpResponseClientRedirect(url)
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        sentence = "Everybody with your role must have a second factor, and the time to add one is over."
        return JsonResponse({"title": TITLE, "sentence": sentence, "enrol": url}, status=HTTPStatus.FORBIDDEN)
    return HttpResponseRedirect(url)
