"""Add, rename and remove a passkey of one's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from keys.actions.factors.add import add_passkey
from keys.actions.factors.remove import remove_factor
from keys.actions.factors.rename_passkey import rename_passkey
from keys.forms.factors import NameForm, NewPasskeyForm
from keys.models import User
from keys.rules.errors import NotFound, ShownOnce
from keys.selectors.factors.page import Passkey, factors_of
from keys.views.factor_mails import mail_added, mail_removed
from keys.views.passkeys import creation_answer, is_new_passkey, own_passkey
from keys.views.people import actor_of, require_fresh_sign_in
from keys.views.recovery import added_page
from keys.views.second_factor import WRONG_PASSKEY, record_new_factor
from keys.views.secrecy import secret_page


@require_http_methods(["GET", "HEAD", "POST"])
@secret_page
def add_own_passkey(request: HttpRequest) -> HttpResponse:
    """Add a passkey. The first factor comes with recovery codes, which the answer shows once."""
    require_fresh_sign_in(request, reverse("keys:passkey-add"), to_add_factor=True)
    user = cast("User", request.user)
    form = NewPasskeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        name, credential = form.cleaned_data["name"], form.cleaned_data["credential"]
        if own_passkey(credential, user):
            raise ShownOnce("This passkey was added already.")
        if is_new_passkey(request, credential, user):
            codes = add_passkey(actor_of(request), name, credential)
            record_new_factor(request, own_passkey(credential, user))
            mail_added(request, user, "passkey", name)
            return added_page(request, f"The passkey “{name}” was added.", codes)
        form.add_error(None, WRONG_PASSKEY)
    elif "credential" in form.errors:
        form.add_error(None, "Adding a passkey needs JavaScript. Allow it for this page.")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "keys/passkey.html", {"section": "account", "form": form}, status=status)


@require_POST
def new_challenge(request: HttpRequest) -> HttpResponse:
    """Return a challenge for ``navigator.credentials.create``."""
    require_fresh_sign_in(request, reverse("keys:passkey-add"), to_add_factor=True)
    return creation_answer(request, cast("User", request.user))


@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: HttpRequest, passkey_id: int) -> HttpResponse:
    passkey = _own(request, passkey_id)
    here = reverse("keys:passkey-rename", args=[passkey_id])
    require_fresh_sign_in(request, here)
    form = NameForm(request.POST if request.method == "POST" else None, initial={"name": passkey.name})
    if form.is_valid():
        rename_passkey(actor_of(request), passkey_id, form.cleaned_data["name"])
        messages.success(request, f"The passkey is now called “{form.cleaned_data['name']}”.")
        return HttpResponseRedirect(reverse("keys:account"))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"section": "account", "form": form, "passkey": passkey}
    return render(request, "keys/passkey_rename.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def remove_own_passkey(request: HttpRequest, passkey_id: int) -> HttpResponse:
    """Ask "Remove the passkey?" (GET), or remove it (POST)."""
    passkey = _own(request, passkey_id)
    here = reverse("keys:passkey-remove", args=[passkey_id])
    require_fresh_sign_in(request, here)
    user = cast("User", request.user)
    if request.method == "POST":
        mail_removed(request, user, remove_factor(actor_of(request), passkey_id))
        messages.success(request, f"The passkey “{passkey.name}” was removed.")
        return HttpResponseRedirect(reverse("keys:account"))
    factors = factors_of(user.pk)
    context = {"section": "account", "passkey": passkey, "is_last": factors.count == 1}
    return render(request, "keys/passkey_remove.html", context)


def _own(request: HttpRequest, passkey_id: int) -> Passkey:
    passkeys = factors_of(actor_of(request).user_id).passkeys
    found = next((passkey for passkey in passkeys if passkey.pk == passkey_id), None)
    if found is None:
        raise NotFound("You have no such passkey. It may have been removed in another tab.")
    return found
