"""Ask for a second factor: as the second step of a sign-in, instead of a password, and to confirm it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from allauth.account.authentication import get_authentication_records
from allauth.account.forms import LoginForm
from allauth.account.internal.decorators import login_stage_required
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.stages import LoginStage, LoginStageController
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from keys.actions.factors.use import use_code, use_passkey
from keys.actions.people import sign_in, throttle
from keys.forms.factors import AnyCodeForm, CodeForm, PasskeyForm, RecoveryCodeForm
from keys.models import User
from keys.models.factor import CODES, FEW_CODES, METHODS, PASSKEY, codes_left
from keys.models.session import BEGUN
from keys.rules.events import Event
from keys.selectors.factors.page import factors_of
from keys.views.factor_mails import mail_recovery_code_used, mail_wrong_code
from keys.views.kept_input import resume
from keys.views.known_browser import known_browser
from keys.views.passkeys import Purpose, passkey_of, request_answer
from keys.views.people import actor_of, browser_of, ip_of, keep_session_mark

WRONG_CODE = "This code is wrong, or was used already. Enter the newest one."
WRONG_PASSKEY = "This passkey was not accepted. Try again, or use another way."
ENDED = "This sign-in has ended, because the account was changed in the meantime. Sign in again."
TOO_MANY = "There were too many wrong codes. Wait a minute before each further one."


@login_stage_required(stage=AuthenticateStage.key, redirect_urlname="account_login")  # type: ignore[untyped-decorator]
@sensitive_post_parameters()
def second_factor(request: HttpRequest) -> HttpResponseBase:
    """Ask a person whose password was right for their second factor, then sign them in."""
    stage: LoginStage = request._login_stage  # type: ignore[attr-defined]  # noqa: SLF001 - allauth's way
    goes_on = _goes_on(request, stage.login.user)
    if "cancel" in request.POST or not goes_on:
        request.session.pop(BEGUN, None)
        if not goes_on:
            messages.error(request, ENDED)
        aborted: HttpResponse = stage.abort()
        return aborted
    form = _form_of(request, stage.login.user, recovery=True)
    if request.method == "POST":
        proven = _proven(request, stage.login.user, form, Event.SIGNED_IN)
        if proven is not None:
            _record(request, stage.login.user, proven)
            response = stage.exit()
            if proven.type == CODES and request.user.is_authenticated:
                _tell_of_codes(request, proven)
            return resume(request, response)
    return second_factor_page(request, stage.login.user, form)


def _tell_of_codes(request: HttpRequest, codes: Authenticator) -> None:
    """Say how many recovery codes are left, and lead to what replaces a lost factor or the codes."""
    left = codes_left(codes)
    message = format_html(
        "<p>You signed in with a recovery code. {} If you have lost your second factor, add a new one within "
        'five minutes: <a href="{}">a passkey</a> or <a href="{}">an authenticator app</a>. '
        '<a href="{}">Generate new recovery codes</a></p>',
        f"{left or 'None'} of {codes.data['count']} {'is' if left <= 1 else 'are'} left.",
        reverse("keys:passkey-add"),
        reverse("keys:authenticator-add"),
        reverse("keys:recovery"),
    )
    messages.add_message(request, messages.WARNING if left <= FEW_CODES else messages.INFO, message)


def begin_sign_in(request: HttpRequest, user: User) -> None:
    """Note whose second step comes next. What ends the sessions of ``user`` then ends this sign-in, too."""
    request.session[BEGUN] = {"user": user.pk, "hash": user.get_session_auth_hash()}


def _goes_on(request: HttpRequest, user: User) -> bool:
    """Return whether nothing has ended the person's sessions, or their access, since the sign-in began."""
    begun = request.session.get(BEGUN, {}).get("hash", "")
    return user.is_active and constant_time_compare(begun, user.get_session_auth_hash())


def asked_with_kept_input(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Ask for the second factor on a page with the kept input, instead of the redirect ``response``."""
    return asked_after_sso(request, cast("HttpResponse", response), request.POST.get("kept", ""))


def asked_after_sso(request: HttpRequest, response: HttpResponse, kept: str) -> HttpResponse:
    """Do the same with the input ``kept``, which the person had before they went to the sign-in provider."""
    if not kept or response.get("Location") != reverse("mfa_authenticate"):
        return response
    stage = LoginStageController.enter(request, AuthenticateStage.key)
    if stage is None:
        return response
    user = stage.login.user
    return second_factor_page(request, user, _form(user, None, recovery=True), kept=kept)


def second_factor_page(request: HttpRequest, user: User, form: Any, *, kept: str = "") -> HttpResponse:
    context = _context(user, form, recovery=True) | {"kept": kept}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    response = render(request, "account/second_factor.html", context, status=status)
    response["Cache-Control"] = "no-store, private"
    return response


@login_not_required
@never_cache
@require_POST
def passkey_login(request: HttpRequest) -> HttpResponseBase:
    """Sign in with a passkey alone. It proves possession, and the device has checked PIN or fingerprint."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("keys:dashboard"))
    form = PasskeyForm(request.POST)
    passkey = None
    if form.is_valid():
        passkey = passkey_of(request, form.cleaned_data["credential"], Purpose.SIGN_IN, None)
    if passkey is None or not passkey.user.is_active or not use_passkey(passkey):
        if passkey is not None:
            sign_in.record_failure(
                passkey.user.email, method="passkey", ip=ip_of(request), browser=browser_of(request)
            )
        messages.error(request, WRONG_PASSKEY)
        context = {"form": LoginForm(request=request), "redirect_field": _next_field(request)}
        return render(request, "account/login.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    _record(request, passkey.user, passkey, passwordless=True)
    login = Login(user=passkey.user, redirect_url=get_next_redirect_url(request))
    return resume(request, perform_login(request, login))


@login_not_required
@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """Return a challenge for ``navigator.credentials.get``: to sign in, or to confirm who it is.

    With ``for=sign-in`` it is good for a sign-in with a passkey alone, even if another one has begun.
    """
    if request.GET.get("for") == Purpose.SIGN_IN:
        return request_answer(request, Purpose.SIGN_IN, None)
    if isinstance(request.user, User):
        return request_answer(request, Purpose.STEP_UP, request.user)
    stage = LoginStageController.enter(request, AuthenticateStage.key)
    if stage is None:
        return request_answer(request, Purpose.SIGN_IN, None)
    return request_answer(request, Purpose.SECOND_STEP, stage.login.user)


def confirm_with_factor(request: HttpRequest, user: User) -> HttpResponseBase:
    """Confirm the identity of a signed-in person who has a second factor."""
    form = _form_of(request, user, recovery=False)
    if request.method == "POST":
        proven = _proven(request, user, form, Event.IDENTITY_CONFIRMED)
        if proven is not None:
            keep_session_mark(request)
            request.session.cycle_key()
            _record(request, user, proven, reauthenticated=True)
            sign_in.record_confirmation(actor_of(request), method=METHODS[proven.type])
            url = get_next_redirect_url(request) or reverse("keys:dashboard")
            return resume(request, HttpResponseRedirect(url))
    context = _context(user, form, recovery=False) | {"redirect_field": _next_field(request)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "account/reauthenticate.html", context, status=status)


def _context(user: User, form: Any, *, recovery: bool) -> dict[str, Any]:
    code_form = _form(user, None, recovery=recovery) if isinstance(form, PasskeyForm) else form
    return {"form": form, "code_form": code_form, "factors": factors_of(user.pk)}


def _next_field(request: HttpRequest) -> str:
    next_path = get_next_redirect_url(request)
    return format_html('<input type="hidden" name="next" value="{}">', next_path) if next_path else ""


def _form_of(request: HttpRequest, user: User, *, recovery: bool) -> Any:
    if request.method == "POST" and request.POST.get("credential"):
        return PasskeyForm(request.POST)
    return _form(user, request.POST if request.method == "POST" else None, recovery=recovery)


def _form(user: User, data: Any, *, recovery: bool) -> Any:
    if not recovery:
        return CodeForm(data)
    return AnyCodeForm(data) if factors_of(user.pk).app else RecoveryCodeForm(data)


def _proven(request: HttpRequest, user: User, form: Any, event: Event) -> Authenticator | None:
    """Return the factor that the request proves, or None. Then the form says why, and it is recorded."""
    if not form.is_valid():
        if isinstance(form, PasskeyForm):
            form.add_error(None, WRONG_PASSKEY)
        return None
    at_sign_in = event is Event.SIGNED_IN
    where = {"ip": ip_of(request), "browser": browser_of(request)}
    if isinstance(form, PasskeyForm):
        purpose = Purpose.SECOND_STEP if at_sign_in else Purpose.STEP_UP
        passkey = passkey_of(request, form.cleaned_data["credential"], purpose, user)
        if passkey is not None and use_passkey(passkey):
            return passkey
        sign_in.record_failure(user.email, event, method=METHODS[PASSKEY], **where)
        mail_wrong_code(request, user)
        form.add_error(None, WRONG_PASSKEY)
        return None
    attempt = (
        throttle.admit_code(user.pk, where["ip"], known_browser(request, user.email))
        if at_sign_in
        else throttle.admit_confirmation(user.pk)
    )
    if attempt is None:
        sign_in.record_throttled(user.email, event, method="app", **where)
        form.add_error("code", TOO_MANY)
        return None
    actor = user.as_actor(**where)
    with attempt:
        factor = use_code(actor, form.cleaned_data["code"], recovery=at_sign_in)
        if factor is not None:
            attempt.give_back()
    if factor is None:
        sign_in.record_failure(user.email, event, method="app", **where)
        mail_wrong_code(request, user)
        form.add_error("code", WRONG_CODE)
        return None
    if factor.type == CODES:
        mail_recovery_code_used(request, user, factor)
    return factor


def record_new_factor(request: HttpRequest, factor: Authenticator | None) -> None:
    """Count adding ``factor`` as a fresh sign-in with it: the person has just shown that they have it.

    It is None if the person has removed it already, in another session.
    """
    if factor is not None:
        _record(request, cast("User", request.user), factor, reauthenticated=True)


def keep_codes_valid(request: HttpRequest, former: int) -> None:
    """Let the use of a recovery code in this session count on after it replaced the codes ``former``."""
    made = factors_of(cast("int", request.user.pk)).codes
    for record in get_authentication_records(request, cast("User", request.user)):
        if made is not None and record.get("type") == CODES and record.get("id") == former:
            record["id"] = made.pk
            request.session.modified = True


def _record(request: HttpRequest, user: User, factor: Authenticator, **facts: bool) -> None:
    record_authentication(request, user, "mfa", id=factor.pk, type=factor.type, **facts)
