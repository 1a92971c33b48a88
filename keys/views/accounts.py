"""Adapt django-allauth: no sign-up, roles from Cerby, throttling, and events for all of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from allauth.account import views as allauth_views
from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.hashers import check_password
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters

from keys.actions.people import sign_in, throttle
from keys.actions.people.change_password import change_password
from keys.actions.sso.refuse import refuse_sign_in
from keys.jobs import mails
from keys.models import User
from keys.models.factor import has_factor
from keys.models.session import BEFORE, BEGUN
from keys.rules.events import Event
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.sso import issuer
from keys.selectors.account.sign_ins import sign_in_before
from keys.selectors.people import owners
from keys.selectors.sso.link import provider_place
from keys.views.kept_input import confirm_without_password, resume
from keys.views.known_browser import known_browser, remember_browser
from keys.views.people import (
    actor_of,
    browser_of,
    ip_of,
    keep_session_mark,
    must_use_provider,
    sign_in_method,
)
from keys.views.second_factor import asked_with_kept_input, begin_sign_in, confirm_with_factor

EVENTS = {
    "account_reauthenticate": Event.IDENTITY_CONFIRMED,
    "account_change_password": Event.PASSWORD_CHANGED,
}
"""The event of a page on which a signed-in person enters their password. On any other page they sign in."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "The email or the password is wrong.",
        "incorrect_password": "This password is wrong.",
        "enter_current_password": "This is not your current password.",
        "too_many_login_attempts": (
            "There were too many attempts with this email. Wait a minute before each further one, or choose "
            "“Forgot your password?” to set a new one."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Allow a redirect to paths of the portal alone: another port of its host may be another program."""
        return (url or "").startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refresh the role from Cerby. Refuse a person who is disabled there, or whose hash is forged."""
        by_sso = _is_by_sso(request, user)
        reason = sign_in.why_refused(user, with_password=_has_used(request, user, "password"))
        if reason:
            record = refuse_sign_in if by_sso else sign_in.record_refused
            record(user, reason, ip=ip_of(request), browser=browser_of(request))
            request.session.flush()  # allauth has noted in it that the password was right
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user))
        begin_sign_in(request, user)
        return cast("HttpResponse | None", super().pre_login(request, user, **kwargs))

    def login(self, request: HttpRequest, user: User) -> None:
        is_new = user.last_login is not None and not known_browser(request, user.email)
        before = sign_in_before(user)
        request.session.pop(BEGUN, None)
        super().login(request, user)
        request.session[BEFORE] = before
        if before and before["failures"]:
            _tell_of_failures(request, before["failures"])
        how: dict[str, Any] = {"method": sign_in_method(request, user)}
        how |= {"new_browser": True} if is_new else {}
        if _has_used(request, user, "sso"):
            how["provider"] = issuer()
        sign_in.record(user, ip=ip_of(request), browser=browser_of(request), **how)
        if is_new:
            self.send_notification_mail("account/email/new_browser", user)
        if _signed_in_with_password(request, user):
            self._warn_of_password(user)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response = super().post_login(request, user, **kwargs)
        remember_browser(request, response, user)
        return cast("HttpResponse", response)

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            sign_in.record_end(actor_of(request))
        super().logout(request)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Check a password, unless there were too many wrong ones. A right one does not count."""
        email = str(credentials.get("email") or "")
        if isinstance(request.user, User):
            attempt = throttle.admit_confirmation(request.user.pk)
        else:
            attempt = throttle.admit_sign_in(email, ip_of(request), known_browser(request, email))
        if attempt is None:
            record_throttled(request, email)
            raise self.validation_error("too_many_login_attempts")
        with attempt:
            user = cast("User | None", super().authenticate(request, **credentials))
            if user is not None:
                attempt.give_back()
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        record_wrong_password(request, str(credentials.get("email") or ""))
        super().authentication_failed(request, **credentials)

    def reauthenticate(self, user: User, password: str) -> bool:
        """Check the password of a signed-in person and, if it is right, give the session a new id."""
        if not super().reauthenticate(user, password):
            return False
        stored = User.objects.values_list("password", flat=True).get(pk=user.pk)
        if stored != user.password:  # it was hashed anew, or another browser has just changed it
            if not check_password(password, stored):
                return False
            user.password = stored
        keep_session_mark(self.request)
        update_session_auth_hash(self.request, user)
        sign_in.record_confirmation(actor_of(self.request), method="password")
        if not _signed_in_with_password(self.request, user):
            self._warn_of_password(user)
        return True

    def _warn_of_password(self, user: User) -> None:
        """Record that a password for emergencies was used, and tell the Owners."""
        if settings.PORTAL_PASSWORD_SIGN_IN != PasswordSignIn.BREAK_GLASS:
            return
        how = {"at": timezone.now(), "ip": ip_of(self.request), "browser": browser_of(self.request)}
        mail = mails.rendered("account/email/break_glass", how | {"user": user}, to=())
        actor = user.as_actor(ip=ip_of(self.request), browser=browser_of(self.request))
        sign_in.record_break_glass(actor, owners(), *mail)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth's signature
        return reverse("keys:account")

    def set_password(self, user: User, password: str) -> None:
        by_link = not _is_at(self.request, "account_change_password")
        if not by_link:
            keep_session_mark(self.request)
        change_password(
            user, password, by_link=by_link, ip=ip_of(self.request), browser=browser_of(self.request)
        )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,  # noqa: ARG002 - allauth's signature
    ) -> None:
        """Tell a person by mail that their account has changed."""
        how = {"at": timezone.now(), "ip": ip_of(self.request), "browser": browser_of(self.request)}
        subject, text = mails.rendered(template_prefix, how | {"user": user} | (context or {}))
        mails.mail_notice.enqueue(user.pk, subject, text)


@login_not_required
@sensitive_post_parameters()
def log_in(request: HttpRequest) -> HttpResponseBase:
    """Sign in, and offer the form that was sent after the session had ended."""
    if settings.PORTAL_PASSWORD_SIGN_IN == PasswordSignIn.OFF and request.method == "POST":
        return no_passwords(request)
    response = allauth_views.login(request)
    return resume(request, asked_with_kept_input(request, response))


@sensitive_post_parameters()
def reauthenticate(request: HttpRequest) -> HttpResponseBase:
    """Confirm a second factor, or the password of a person without one. Offer the form that needed that.

    A person without either confirms their identity at the sign-in provider.
    """
    user = request.user
    if must_use_provider(request):
        return confirm_without_password(request)
    if isinstance(user, User) and has_factor(user.pk):
        return confirm_with_factor(request, user)
    if not get_adapter().get_reauthentication_methods(user):
        return confirm_without_password(request)
    return resume(request, allauth_views.reauthenticate(request))


def no_passwords(request: HttpRequest) -> HttpResponse:
    """Say that nobody, or not this person, may use a password."""
    return render(request, "account/password_off.html", status=HTTPStatus.FORBIDDEN)


@login_not_required
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """Sign out, and let the browser delete what the portal stored in it, except cookies.

    The session's cookie is deleted anyway; the others keep the time zone and the known browser. A person who
    was at the sign-in provider is told that they are still signed in there.
    """
    was_at_provider = isinstance(request.user, User) and _has_used(request, request.user, "sso")
    response: HttpResponseBase = allauth_views.logout(request)
    if request.method == "POST" and was_at_provider and issuer():
        response = render(request, "account/signed_out.html", {"place": provider_place()})
    if request.method == "POST":
        response["Clear-Site-Data"] = '"cache", "storage"'
    return response


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """Answer a request that exceeds allauth's rate limits (portal.urls.handler429)."""
    user = request.user
    record_throttled(request, user.email if isinstance(user, User) else "")
    return render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)


def record_throttled(request: HttpRequest, email: str) -> None:
    sign_in.record_throttled(email, _event(request), ip=ip_of(request), browser=browser_of(request))


def record_wrong_password(request: HttpRequest, email: str) -> None:
    sign_in.record_failure(email, _event(request), ip=ip_of(request), browser=browser_of(request))


def _is_by_sso(request: HttpRequest, user: User) -> bool:
    records = get_authentication_records(request, user)
    return bool(records) and records[-1]["method"] == "sso"


def _has_used(request: HttpRequest, user: User, method: str) -> bool:
    return any(record["method"] == method for record in get_authentication_records(request, user))


def _signed_in_with_password(request: HttpRequest, user: User) -> bool:
    records = get_authentication_records(request, user)
    return any(one["method"] == "password" and not one.get("reauthenticated") for one in records)


def _tell_of_failures(request: HttpRequest, count: int) -> None:
    tried = "1 attempt to sign in as you has" if count == 1 else f"{count} attempts to sign in as you have"
    message = format_html(
        '<p>{} failed since your last sign-in. <a href="{}">Your account</a></p>',
        tried,
        reverse("keys:account"),
    )
    messages.info(request, message)


def _event(request: HttpRequest) -> Event:
    name = request.resolver_match.url_name if request.resolver_match else ""
    return EVENTS.get(name or "", Event.SIGNED_IN)


def _is_at(request: HttpRequest, url_name: str) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name == url_name
