"""Generate recovery codes, and show them once."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.actions.factors.make_codes import make_codes
from keys.models import User
from keys.rules.errors import Conflict
from keys.selectors.factors.page import factors_of
from keys.views.factor_mails import mail_codes_made
from keys.views.people import actor_of, require_fresh_sign_in
from keys.views.second_factor import keep_codes_valid
from keys.views.secrecy import secret_page

LONGEST_NUMBER = 18
"""Digits of a number that every database can hold."""


@require_http_methods(["GET", "HEAD", "POST"])
@secret_page
@sensitive_variables()
def recovery(request: HttpRequest) -> HttpResponse:
    """Ask whether to generate new codes (GET), or generate and show them (POST).

    The form names the codes that it replaces, so sending it again shows nothing and changes nothing.
    """
    require_fresh_sign_in(request, reverse("keys:recovery"), to_add_factor=True)
    user = cast("User", request.user)
    factors = factors_of(user.pk)
    if not factors.exist:
        raise Conflict("Recovery codes stand in for a second factor. Add a passkey or an app first.")
    if request.method == "POST":
        replaces = request.POST.get("replaces", "")
        former = int(replaces) if replaces.isdecimal() and len(replaces) <= LONGEST_NUMBER else -1
        codes = make_codes(actor_of(request), replaces=former)
        keep_codes_valid(request, former)
        mail_codes_made(request, user)
        return _shown(request, "Your new recovery codes", codes)
    return render(request, "keys/recovery.html", {"section": "account", "factors": factors})


@sensitive_variables()
def added_page(request: HttpRequest, sentence: str, codes: list[str]) -> HttpResponse:
    """Answer that a factor was added, and show the recovery codes that came with it."""
    if not codes:
        messages.success(request, sentence)
        return HttpResponseRedirect(reverse("keys:account"))
    return _shown(request, sentence, codes)


@sensitive_variables()
def _shown(request: HttpRequest, heading: str, codes: list[str]) -> HttpResponse:
    shown = [f"{code[:5]} {code[5:]}" for code in codes]
    context = {"section": "account", "codes": shown, "said": heading, "now": timezone.now()}
    return render(request, "keys/recovery.html", context, status=HTTPStatus.OK)
