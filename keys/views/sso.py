"""Send people to the sign-in provider, and take them back: to sign in, or to confirm their identity."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from keys import oidc, saml
from keys.actions.people import throttle
from keys.actions.people.sign_in import NOT_LIVE
from keys.actions.sso import refuse
from keys.actions.sso.begin import begin_sign_in, begin_step_up
from keys.actions.sso.confirm import confirm_with_provider
from keys.actions.sso.find import Refused, find_person, needs_email
from keys.actions.sso.take import take_request
from keys.crypto.kept_text import unlock
from keys.models import SsoRequest, User
from keys.rules.errors import Conflict, PortalError, ProviderDown, ProviderRefused, TooOften
from keys.rules.sso import Claims, issuer, uses_saml
from keys.selectors.sso.link import sso_link_of
from keys.views.kept_input import FIELD, resume_text
from keys.views.people import actor_of, browser_of, ip_of, keep_session_mark, session_of
from keys.views.second_factor import asked_after_sso
from keys.views.sso_refused import refused

Redeem = Callable[[], Claims]
COOKIE_LASTS = 10 * 60
STALE = (
    "This sign-in was used already, took longer than ten minutes, was started in another browser, or was "
    "followed by another one. Start again."
)


@login_not_required
@require_POST
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Send a person who is not signed in to the provider. Parameters in the address are ignored.

    A form with "other" asks the provider to let the person choose another account.
    """
    _check_is_configured()
    if request.user.is_authenticated:
        return HttpResponseRedirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    if not throttle.admit_sso(ip_of(request)):
        raise TooOften("Too many sign-ins were started from your network. Try again in a minute.")
    kept, next_path = request.POST.get(FIELD, ""), _next_path(request)
    try:
        _meet_provider()
        mark = request.COOKIES.get(_cookie(), "") or secrets.token_urlsafe(32)
        state = begin_sign_in(_hash(mark), next_path=next_path, kept=kept)
        response = _lead_to(request, _address(state, step_up=False, other_account="other" in request.POST))
    except PortalError as error:
        return refused(request, error, next_path=next_path, kept=kept)
    response.set_cookie(
        _cookie(),
        mark,
        max_age=COOKIE_LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",  # the provider sends the browser back
    )
    return response


@require_POST
def step_up(request: HttpRequest) -> HttpResponseBase:
    """Send a signed-in person to the provider, which must ask them to sign in again."""
    _check_is_configured()
    link = sso_link_of(cast("int", request.user.pk))
    if link is None or settings.PORTAL_STEP_UP == "portal":
        raise ProviderRefused("You confirm your identity in the portal, not at the sign-in provider.")
    if not throttle.admit_sso(f"person {request.user.pk}"):
        raise TooOften("You started too many confirmations. Try again in a minute.")
    kept, next_path = request.POST.get(FIELD, ""), _next_path(request)
    try:
        _meet_provider()
        state = begin_step_up(link, session_of(request), next_path=next_path, kept=kept)
        return _lead_to(request, _address(state, step_up=True))
    except PortalError as error:
        return refused(request, error, next_path=next_path, kept=kept)


@login_not_required
@require_http_methods(["GET"])  # HEAD must not use up the request
@sensitive_variables()
def callback(request: HttpRequest) -> HttpResponseBase:
    """Take a person back. The request that they were sent with decides what the answer is good for."""
    _check_is_configured()
    state = request.GET.get("state", "")
    answer = oidc.Answer(*(request.GET.get(name, "") for name in ("code", "iss", "error")))
    wants_email = None if request.user.is_authenticated else needs_email
    return come_back(request, state, partial(oidc.redeem, state, answer, wants_email=wants_email))


@sensitive_variables()
def come_back(request: HttpRequest, state: str, redeem: Redeem) -> HttpResponse:
    """Finish a sign-in or a step-up. ``redeem`` returns who signed in, or raises ``ProviderError``."""
    is_signed_in = request.user.is_authenticated
    mark = request.COOKIES.get(_cookie(), "")
    sessions = [_hash(mark)] if mark else []
    found = take_request(state, [*sessions, session_of(request)] if is_signed_in else sessions)
    if is_signed_in:
        if found is not None and found.purpose == SsoRequest.Purpose.SIGN_IN:
            return HttpResponseRedirect(found.next_path or resolve_url(settings.LOGIN_REDIRECT_URL))
        return _finish_step_up(request, found, state, redeem)
    if found is None:
        return refused(request, ProviderRefused(STALE))
    response = _finish_sign_in(request, found, state, redeem)
    response.delete_cookie(_cookie(), samesite="Lax")
    return response


@sensitive_variables()
def _finish_sign_in(request: HttpRequest, found: SsoRequest, state: str, redeem: Redeem) -> HttpResponse:
    ip, browser = ip_of(request), browser_of(request)
    email, kept = "", unlock(found.kept, state)
    refused_here = partial(refused, request, next_path=found.next_path, kept=kept)
    try:
        claims = redeem()
        email = claims.email
        user, is_new = find_person(claims, ip=ip, browser=browser)
    except ProviderDown as error:
        return refused_here(error)
    except (ProviderRefused, Conflict) as error:
        known = error.user if isinstance(error, Refused) else None
        if known is not None:
            refuse.refuse_sign_in(known, error.sentence, ip=ip, browser=browser)
        else:
            refuse.refuse_stranger(email, error.sentence)
        return refused_here(error, email=email)
    # The provider may not have asked for anything, so this is no fresh sign-in.
    record_authentication(request, user, method="sso", at=0.0)
    try:
        response = perform_login(request, Login(user=user, redirect_url=found.next_path or None))
    except ImmediateHttpResponse:  # the adapter has recorded it
        return refused_here(ProviderRefused(NOT_LIVE), email=user.email)
    if is_new:
        get_adapter(request).send_notification_mail("account/email/sso_linked", user)
    return resume_text(request, asked_after_sso(request, response, kept), kept)


@sensitive_variables()
def _finish_step_up(
    request: HttpRequest, found: SsoRequest | None, state: str, redeem: Redeem
) -> HttpResponse:
    """Make the sign-in fresh, or leave the session as it is and say why."""
    actor, user = actor_of(request), cast("User", request.user)
    email = ""
    try:
        if found is None:
            raise ProviderRefused(STALE)
        claims = redeem()
        email = claims.email
        confirm_with_provider(found, claims, actor)
    except PortalError as error:
        refuse.refuse_step_up(actor, error.sentence)
        if found is None:
            return refused(request, error)
        kept = unlock(found.kept, state)
        return refused(request, error, email=email, next_path=found.next_path, kept=kept)
    keep_session_mark(request)
    request.session.cycle_key()
    record_authentication(request, user, method="sso", id=found.link_id, reauthenticated=True)
    response = HttpResponseRedirect(found.next_path or resolve_url(settings.LOGIN_REDIRECT_URL))
    return resume_text(request, response, unlock(found.kept, state))


def _meet_provider() -> None:
    """Raise ``ProviderError`` if the provider cannot be used, before a row is stored."""
    if uses_saml():
        saml.saml_provider()
    else:
        oidc.current_provider()


def _address(state: str, *, step_up: bool, other_account: bool = False) -> str:
    make = saml.request_url if uses_saml() else oidc.sign_in_url
    return make(state, step_up=step_up, other_account=other_account)


def _lead_to(request: HttpRequest, url: str) -> HttpResponse:
    """Lead the browser to the provider.

    With SAML, only its metadata says at which address that is, and our Content-Security-Policy does not. It
    limits where a form leads, so a page leads there.
    """
    if uses_saml():
        response = render(request, "account/sso_away.html", {"url": url})
        response["Cache-Control"] = "no-store, private"
        return response
    return HttpResponseRedirect(url)


def _check_is_configured() -> None:
    if not issuer():
        raise Http404


def _next_path(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    return wanted if get_adapter(request).is_safe_url(wanted) else ""


def _cookie() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-sso"


def _hash(mark: str) -> str:
    return salted_hmac("keys.sso-browser", mark, algorithm="sha256").hexdigest()
