"""Add, replace and remove an authenticator app of one's own."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import cast

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.actions.factors.add import SECRET_LASTS, add_app
from keys.actions.factors.remove import remove_factor
from keys.actions.factors.use import secret_of
from keys.actions.people import throttle
from keys.crypto.factor_box import CannotDecryptError
from keys.forms.factors import CodeForm
from keys.models import User
from keys.rules.errors import Invalid, NotFound, ShownOnce
from keys.selectors.factors.page import factors_of
from keys.views.factor_mails import mail_added, mail_removed
from keys.views.people import actor_of, require_fresh_sign_in, session_of
from keys.views.qr_code import qr_code
from keys.views.recovery import added_page
from keys.views.second_factor import TOO_MANY, record_new_factor
from keys.views.secrecy import secret_page


@require_http_methods(["GET", "HEAD", "POST"])
@secret_page
@sensitive_post_parameters()
@sensitive_variables()
def add_own_app(request: HttpRequest) -> HttpResponse:
    """Show a new secret, and add the app when a code shows that it has the secret.

    The form carries the secret, encrypted: nothing is stored on the server before the app is added. It takes
    the place of the person's present app, which they may have lost.
    """
    require_fresh_sign_in(request, reverse("keys:authenticator-add"), to_add_factor=True)
    user = cast("User", request.user)
    present = factors_of(user.pk).app
    secret = _opened(request) if request.method == "POST" else None
    if secret and present and constant_time_compare(secret, secret_of(present)):
        raise ShownOnce("This app was added already.")
    form = CodeForm(request.POST if secret else None)
    if request.method == "POST" and not secret:
        messages.error(request, "The page was too old. Enter this new secret into your app.")
    if secret and form.is_valid():
        try:
            codes = _add(request, secret, form.cleaned_data["code"], present)
        except Invalid as error:
            form.add_error("code", error.fields["code"])
        else:
            record_new_factor(request, factors_of(user.pk).app)
            if present:
                mail_removed(request, user, present)
            mail_added(request, user, "app")
            done = "was replaced. The former one no longer works" if present else "was added"
            return added_page(request, f"The authenticator app {done}.", codes)
    secret = secret or generate_totp_secret()
    context = {
        "section": "account",
        "form": form,
        "present": present,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "box": _closed(request, secret),
        "qr": qr_code(get_adapter().build_totp_url(user, secret)),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    return render(request, "keys/authenticator.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_own_app(request: HttpRequest) -> HttpResponse:
    """Ask "Remove the authenticator app?" (GET), or remove it (POST)."""
    user = cast("User", request.user)
    factors = factors_of(user.pk)
    if factors.app is None:
        raise NotFound("You have no authenticator app. It may have been removed in another tab.")
    require_fresh_sign_in(request, reverse("keys:authenticator-remove"))
    if request.method == "POST":
        mail_removed(request, user, remove_factor(actor_of(request), factors.app.pk))
        messages.success(request, "The authenticator app was removed.")
        return HttpResponseRedirect(reverse("keys:account"))
    context = {"section": "account", "app": factors.app, "is_last": factors.count == 1}
    return render(request, "keys/authenticator_remove.html", context)


@sensitive_variables()
def _add(request: HttpRequest, secret: str, code: str, present: Authenticator | None) -> list[str]:
    """Raises ``Invalid`` if the code is wrong, or after too many wrong ones."""
    actor = actor_of(request)
    attempt = throttle.admit_confirmation(actor.user_id)
    if attempt is None:
        raise Invalid(code=TOO_MANY)
    with attempt:
        codes = add_app(actor, secret, code, replaces=present.pk if present else 0)
        attempt.give_back()
    return codes


@sensitive_variables()
def _closed(request: HttpRequest, secret: str) -> str:
    box: str = get_adapter().encrypt(json.dumps([session_of(request), int(time.time()), secret]))
    return box


@sensitive_variables()
def _opened(request: HttpRequest) -> str | None:
    """Return the secret that ``_closed`` put into the form, or None if it is old, or of another session."""
    try:
        session, at, secret = json.loads(get_adapter().decrypt(request.POST.get("box", "")))
    except (CannotDecryptError, ValueError, TypeError):
        return None
    return str(secret) if session == session_of(request) and 0 <= time.time() - at <= SECRET_LASTS else None
