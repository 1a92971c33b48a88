"""Exceptions from the policy: ask for one, and grant, decline or end it."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.actions.policy.exceptions import (
    ask_for_exception,
    decline_exception,
    end_exception,
    grant_exception,
)
from keys.audit.guard import authorize
from keys.forms.exceptions import ExceptionForm
from keys.forms.existing_key import refuse
from keys.rules.errors import Conflict, Invalid
from keys.rules.permissions import Action
from keys.selectors.key.page import key_for
from keys.selectors.policy.exceptions import asking, exceptions_page
from keys.views.people import actor_of, require_fresh_sign_in

SECTION = {"section": "policy"}


@require_safe
def all_exceptions(request: HttpRequest) -> HttpResponse:
    context = {**SECTION, "page": exceptions_page(actor_of(request))}
    return render(request, "keys/exceptions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, key_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    found = asking(actor, key_for(actor, key_id))
    form = ExceptionForm(request.POST if request.method == "POST" else None, violations=found.violations)
    if form.is_valid():
        try:
            ask_for_exception(actor, key_id, **form.cleaned_data)
        except Invalid as invalid:
            refuse(form, invalid)
        except Conflict as conflict:
            form.add_error(None, conflict.sentence)
        else:
            messages.success(request, "An Owner or Super Admin must grant the exception.")
            return HttpResponseRedirect(reverse("keys:key", args=[key_id]))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"section": "keys", "found": found, "form": form}
    return render(request, "keys/exceptions_ask.html", context, status=status)


@require_POST
def grant(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    _check(request)
    granted = grant_exception(actor_of(request), exception_id)
    messages.success(request, f"“{granted.key}” is excepted from “{granted.rule_label}”.")
    return _back()


@require_POST
def decline_one(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    _check(request)
    try:
        decline_exception(actor_of(request), exception_id, reason=request.POST.get("reason", ""))
    except Invalid as invalid:
        messages.error(request, " ".join(invalid.fields.values()))
    else:
        messages.success(request, "The exception is declined.")
    return _back()


@require_POST
def end_early(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    end_exception(actor_of(request), exception_id)
    messages.success(request, "The exception has ended.")
    return _back()


def _check(request: HttpRequest) -> None:
    authorize(actor_of(request), Action.GRANT_EXCEPTION)
    require_fresh_sign_in(request, reverse("keys:exceptions"))


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("keys:exceptions"))
