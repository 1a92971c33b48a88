"""Compare with Cerby: paste the table of Cerby's web app, see the differences, and confirm them by group."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from keys.actions.compare.confirm_group import AnswerChanged, Confirmation, confirm_group
from keys.audit.guard import authorize
from keys.forms.compare import CompareForm, chosen_keys, numbered
from keys.forms.existing_key import refuse
from keys.rules.errors import Invalid
from keys.rules.permissions import Action, Actor
from keys.selectors.compare.matching import Group
from keys.selectors.compare.page import done_message, sections
from keys.selectors.compare.plan import Paste, Plan, cleaned, comparison
from keys.selectors.key.paste import workspace_url
from keys.views.people import actor_of


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@sensitive_variables()
def compare(request: HttpRequest) -> HttpResponse:
    """Ask for the table (GET), or show how it differs from the inventory (POST)."""
    actor = actor_of(request)
    authorize(actor, Action.SEE_INVENTORY)
    if request.method != "POST":
        return _page(request, CompareForm())
    return _answer(request, actor, _form(request.POST))


@require_POST
@sensitive_post_parameters()
@sensitive_variables()
def confirm(request: HttpRequest) -> HttpResponse:
    """Carry out one group, if the answer is still the one that the page showed, and show the new answer."""
    actor = actor_of(request)
    authorize(actor, Action.SEE_INVENTORY)
    form = _form(request.POST)
    group = _group(request.POST)
    if not form.is_valid() or group is None:
        return _answer(request, actor, form)
    confirmed = Confirmation(
        group=group,
        shown=request.POST.get(f"shown-{group}", ""),
        purpose=" ".join(request.POST.get("purpose", "").split()),
        purposes=numbered(request.POST, "purpose-"),
        choices=chosen_keys(request.POST),
    )
    try:
        count = confirm_group(actor, _paste(form), confirmed)
    except AnswerChanged as changed:
        messages.warning(request, f"{changed.sentence} This is the new answer.")
        return _page(request, form, changed.plan, status=changed.status)
    except Invalid as invalid:
        problem = " ".join(invalid.fields.values()) or invalid.sentence
        return _answer(request, actor, form, HTTPStatus.UNPROCESSABLE_ENTITY, refused=group, problem=problem)
    messages.success(request, done_message(group, count))
    return _answer(request, actor, form, is_done=True)


@sensitive_variables()
def _form(data: QueryDict) -> CompareForm:
    """Return the form without text that may be a key, so that such text is neither stored nor shown."""
    text, withheld = cleaned(data.get("text", ""))
    safe = data.copy()
    safe["text"] = text
    form = CompareForm(safe)
    form.withheld = withheld
    return form


def _group(data: QueryDict) -> Group | None:
    wanted = data.get("group", "")
    return Group(wanted) if wanted in set(Group) else None


def _paste(form: CompareForm) -> Paste:
    data = form.cleaned_data
    return Paste(text=data["text"], whole=data["whole"], order=form.day_order())


def _answer(
    request: HttpRequest, actor: Actor, form: CompareForm, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    if not form.is_valid():
        return _page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        planned = comparison(actor, _paste(form))
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(request, form, planned, status=status, **more)


def _page(
    request: HttpRequest, form: CompareForm, planned: Plan | None = None, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "section": "compare",
        "form": form,
        "plan": planned,
        "sections": sections(planned, numbered(request.POST, "purpose-")) if planned else [],
        "cerby_url": workspace_url(),
        "keys_path": settings.CERBY_KEYS_PATH,
        "sent": {"purpose": request.POST.get("purpose", "")},
        **more,
    }
    response = render(request, "keys/compare.html", context, status=status)
    response["Cache-Control"] = "no-store, private"
    return response
