"""Change the policy: the form, the preview "Who would break", and the proposal."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from keys.actions.policy.export_keys import HEADER, export_breaking_keys
from keys.actions.policy.propose import checked_preview, propose_policy
from keys.audit.guard import authorize
from keys.forms.existing_key import refuse
from keys.forms.policy import PolicyFileForm, PolicyForm, ProposeForm, initial_of
from keys.models import PolicyVersion
from keys.models.policy import policy_in_force
from keys.rules.errors import Conflict, Invalid
from keys.rules.permissions import Action
from keys.rules.policy.written import LONGEST
from keys.selectors.policy.page import preview_page
from keys.views.exports import csv_response
from keys.views.people import actor_of, require_fresh_sign_in
from portal.uploads import accepts_upload

SECTION = {"section": "policy"}


@require_http_methods(["GET", "HEAD", "POST"])
def edit_policy(request: HttpRequest) -> HttpResponse:
    """Show the form with the policy in force (GET), or show who would break the policy in it (POST)."""
    authorize(actor_of(request), Action.CHANGE_POLICY)
    if request.method != "POST":
        return _form(request, PolicyForm(initial=initial_of(policy_in_force())))
    form = PolicyForm(request.POST)
    if not form.is_valid():
        return _form(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        return _preview(request, form.document())
    except Invalid as invalid:
        form.add_error(None, " ".join(invalid.fields.values()) or invalid.sentence)
        return _form(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)


@accepts_upload(LONGEST)
@require_POST
def fill(request: HttpRequest) -> HttpResponse:
    """Fill the form with a policy as JSON."""
    authorize(actor_of(request), Action.CHANGE_POLICY)
    chosen = PolicyFileForm(request.POST, request.FILES)
    if not chosen.is_valid():
        form = PolicyForm(initial=initial_of(policy_in_force()))
        return _form(request, form, HTTPStatus.UNPROCESSABLE_ENTITY, chosen)
    return _form(request, PolicyForm(initial=initial_of(chosen.cleaned_data["policy"])))


@require_POST
def propose(request: HttpRequest) -> HttpResponse:
    """Save the policy that the preview showed, unless the answer has changed."""
    actor = actor_of(request)
    authorize(actor, Action.CHANGE_POLICY)
    require_fresh_sign_in(request, reverse("keys:proposal"))
    form = ProposeForm(request.POST)
    document = request.POST.get("document", "")
    if not form.is_valid():
        return _preview(request, document, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        version = propose_policy(
            actor, document, reason=form.cleaned_data["reason"], seen=form.cleaned_data["seen"]
        )
    except Invalid as invalid:
        refuse(form, invalid)
        return _preview(request, document, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Conflict as conflict:
        form.add_error(None, conflict.sentence)
        return _preview(request, document, form, HTTPStatus.CONFLICT)
    said = f"Version {version.number} is in force."
    if version.state == PolicyVersion.State.PROPOSED:
        said = f"Version {version.number} is proposed. Another Owner or Super Admin must approve it."
    messages.success(request, said)
    return HttpResponseRedirect(reverse("keys:policy"))


@require_POST
def keys_as_csv(request: HttpRequest) -> HttpResponseBase:
    """Download all keys that the policy in the preview would newly have outside."""
    export = export_breaking_keys(actor_of(request), request.POST.get("document", ""))
    return csv_response("who-would-break", HEADER, export)


def _preview(
    request: HttpRequest, document: str, form: ProposeForm | None = None, status: int = HTTPStatus.OK
) -> HttpResponse:
    found = checked_preview(document)
    context: dict[str, Any] = {**SECTION, "page": preview_page(found)}
    reason = form.data.get("reason", "") if form else ""
    shown = ProposeForm(initial={"document": found.document, "seen": found.digest, "reason": reason})
    context["form"] = shown
    context["problems"] = _problems(form) if form else []
    return render(request, "keys/proposal_preview.html", context, status=status)


def _problems(form: ProposeForm) -> list[str]:
    return [str(sentence) for sentences in form.errors.values() for sentence in sentences]


def _form(
    request: HttpRequest, form: PolicyForm, status: int = HTTPStatus.OK, chosen: PolicyFileForm | None = None
) -> HttpResponse:
    context = {**SECTION, "form": form, "chosen": chosen or PolicyFileForm()}
    return render(request, "keys/proposal.html", context, status=status)
