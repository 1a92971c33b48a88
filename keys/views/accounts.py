"""Adapt django-allauth: no sign-up, roles read from Cerby, and sign-ins recorded."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keys.actions.people import sign_in
from keys.models import User
from keys.views.people import actor_of, browser_of, ip_of


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refresh the role from Cerby, and refuse a person who is disabled there."""
        if not sign_in.confirm(user):
            sign_in.record_inactive(user, ip=ip_of(request), browser=browser_of(request))
            return cast("HttpResponse", self.respond_user_inactive(request, user))
        return cast("HttpResponse | None", super().pre_login(request, user, **kwargs))

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        sign_in.record(user, ip=ip_of(request), browser=browser_of(request))

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            sign_in.record_end(actor_of(request))
        super().logout(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            _record_throttled(request, str(credentials.get("email") or ""))
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        email = str(credentials.get("email") or "")
        sign_in.record_failure(email, ip=ip_of(request), browser=browser_of(request))
        super().authentication_failed(request, **credentials)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Answer a request that exceeds allauth's rate limits (portal.urls.handler429)."""
    user = request.user
    email = user.email if isinstance(user, User) else request.POST.get("login", "")
    _record_throttled(request, email)
    return render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)


def _record_throttled(request: HttpRequest, email: str) -> None:
    sign_in.record_throttled(email, ip=ip_of(request), browser=browser_of(request))
