"""The policy: each rule in words, the keys that do not meet it, its versions, and the decision about one."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.policy.decide import approve_policy, decline_policy, withdraw_policy
from keys.audit.guard import authorize
from keys.forms.policy import DeclineForm
from keys.rules.errors import Invalid, PreviewChanged
from keys.rules.permissions import Action
from keys.selectors.policy.page import document_for, policy_page, version_page
from keys.views.people import actor_of, require_fresh_sign_in

SECTION = {"section": "policy"}


@require_safe
def policy(request: HttpRequest) -> HttpResponse:
    page = policy_page(actor_of(request), request.GET.get("rule", ""))
    return render(request, "keys/policy.html", {**SECTION, "page": page})


@require_safe
def export_document(request: HttpRequest) -> HttpResponse:
    """Download the policy in force, or the version ``?version=``, as JSON."""
    number, document = document_for(actor_of(request), request.GET.get("version", ""))
    response = HttpResponse(document, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="policy-{number}.json"'
    response["Cache-Control"] = "no-store, private"
    return response


@require_safe
def version(request: HttpRequest, number: int) -> HttpResponse:
    return _version(request, number, DeclineForm())


@require_POST
def approve(request: HttpRequest, number: int) -> HttpResponse:
    _check(request, number)
    try:
        approve_policy(actor_of(request), number, seen=request.POST.get("seen", ""))
    except (Invalid, PreviewChanged) as error:
        messages.error(request, error.sentence)
        return _version(request, number, DeclineForm(), error.status)
    messages.success(request, f"Version {number} is in force.")
    return HttpResponseRedirect(reverse("keys:policy"))


@require_POST
def decline(request: HttpRequest, number: int) -> HttpResponse:
    _check(request, number)
    form = DeclineForm(request.POST)
    if not form.is_valid():
        return _version(request, number, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        decline_policy(actor_of(request), number, reason=form.cleaned_data["reason"])
    except Invalid as invalid:
        form.add_error("reason", invalid.fields.get("reason", invalid.sentence))
        return _version(request, number, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    messages.success(request, f"Version {number} is declined.")
    return HttpResponseRedirect(reverse("keys:policy"))


@require_POST
def withdraw_version(request: HttpRequest, number: int) -> HttpResponse:
    _check(request, number)
    withdraw_policy(actor_of(request), number)
    messages.success(request, f"Version {number} is withdrawn.")
    return HttpResponseRedirect(reverse("keys:policy"))


def _check(request: HttpRequest, number: int) -> None:
    authorize(actor_of(request), Action.CHANGE_POLICY)
    require_fresh_sign_in(request, reverse("keys:policy-version", args=[number]))


def _version(
    request: HttpRequest, number: int, form: DeclineForm, status: int = HTTPStatus.OK
) -> HttpResponse:
    page = version_page(actor_of(request), number)
    return render(request, "keys/policy_version.html", {**SECTION, "page": page, "form": form}, status=status)
