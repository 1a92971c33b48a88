"""Requests: their list, the page of one, and the decisions about it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.actions.approved.begin import begin
from keys.actions.keys.generate_approved import generate_approved
from keys.actions.keys.widen_approved import widen_approved
from keys.actions.requests.change import answer_offer, offer, withdraw
from keys.actions.requests.decide import approve, deny
from keys.actions.requests.review import review
from keys.crypto import seal
from keys.forms.existing_key import refuse
from keys.forms.requests import OfferForm, ReasonForm
from keys.jobs import tasks
from keys.models import Pause
from keys.rules import formatting
from keys.rules.errors import CerbyError, Conflict, Invalid
from keys.rules.requests import RequestKind, RequestState
from keys.selectors.requests.page import RequestPage, request_page
from keys.selectors.requests.table import requests_of
from keys.validation.new_key import NO_TAB_KEY
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of, require_fresh_sign_in

Act = Callable[[Any], str]
"""Does the act with the valid form, and returns the message for the person."""


_DONE = {
    RequestKind.DELETE: "The keys are being deleted.",
    RequestKind.KEEP: "The plan to keep the keys is recorded.",
}


@require_safe
def requests(request: HtmxHttpRequest) -> HttpResponse:
    found = requests_of(actor_of(request), request.GET)
    context = {"section": "requests", "found": found, "params": request.GET}
    return render_part(request, "keys/requests.html", "table", context)


@require_safe
def request_(request: HttpRequest, request_id: UUID) -> HttpResponse:
    return _page(request, request_id)


@require_POST
def approve_one(request: HttpRequest, request_id: UUID) -> HttpResponse:
    def act(_form: Any) -> str:
        approved = approve(
            actor_of(request),
            request_id,
            digest=request.POST.get("digest", ""),
            begin=partial(begin, enqueue=tasks.bulk_action.enqueue),
        )
        if approved.state == RequestState.OPEN:
            return "You approved the request. It needs another approval."
        if approved.kind in _DONE:
            return f"You approved the request. {_DONE[RequestKind(approved.kind)]}"
        then = "add the scope" if approved.kind == RequestKind.WIDEN else "generate the key"
        return f"You approved the request. {approved.requester.name} can {then} within 24 hours."

    return _act(request, request_id, "", act)


@require_POST
def deny_one(request: HttpRequest, request_id: UUID) -> HttpResponse:
    def act(form: Any) -> str:
        deny(actor_of(request), request_id, reason=form.cleaned_data["reason"])
        return "You denied the request."

    return _act(request, request_id, "deny", act)


@require_POST
def offer_one(request: HttpRequest, request_id: UUID) -> HttpResponse:
    def act(form: Any) -> str:
        data = form.cleaned_data
        entries = {"scopes": data["scopes"], "lasts": form.length(), "reason": data["reason"]}
        changed = offer(actor_of(request), request_id, **entries)
        return f"Your offer is made. {changed.requester.name} accepts or declines it."

    return _act(request, request_id, "offer", act)


@require_POST
def answer(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Accept or decline the offer of an approver."""
    accept, digest = request.POST.get("accept") == "yes", request.POST.get("digest", "")

    def act(_form: Any) -> str:
        answer_offer(actor_of(request), request_id, accept=accept, digest_of_offer=digest)
        return "You accepted the offer. It needs to be approved now." if accept else "You declined the offer."

    return _act(request, request_id, "", act, is_decision=False)


@require_POST
def withdraw_one(request: HttpRequest, request_id: UUID) -> HttpResponse:
    def act(_form: Any) -> str:
        withdraw(actor_of(request), request_id)
        return "Your request is withdrawn."

    return _act(request, request_id, "", act, is_decision=False)


@require_POST
def review_one(request: HttpRequest, request_id: UUID) -> HttpResponse:
    def act(form: Any) -> str:
        review(actor_of(request), request_id, reason=form.cleaned_data["reason"])
        return "Your review is recorded."

    return _act(request, request_id, "review", act)


@require_http_methods(["GET", "HEAD", "POST"])
def use(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Generate the approved key: show its values (GET), or generate it (POST). Or add the approved scope."""
    page = request_page(actor_of(request), request_id)
    here = reverse("keys:request", args=[request_id])
    if page.widening:
        return _add_scope(request, request_id) if request.method == "POST" else HttpResponseRedirect(here)
    require_fresh_sign_in(request, reverse("keys:request-use", args=[request_id]))
    problem: Invalid | Conflict | CerbyError | None = None
    if request.method == "POST":
        try:
            return _generate(request, request_id)
        except (Invalid, Conflict, CerbyError) as error:
            problem = error
            page = request_page(actor_of(request), request_id)
    elif not page.may_use:
        return HttpResponseRedirect(here)
    until = Pause.active_until() if settings.CERBY_ISSUE_MODE == "direct" else None
    context = {
        "section": "requests",
        "page": page,
        "key_id": uuid.uuid4(),
        "problem": problem,
        "paused": formatting.clock(until) if until else "",
    }
    status = problem.status if problem else HTTPStatus.OK
    return render(request, "keys/request_use.html", context, status=status)


def _add_scope(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Add the approved scope, and lead to the key. If that fails, the page of the request says why."""
    here = reverse("keys:request", args=[request_id])
    require_fresh_sign_in(request, here)
    try:
        key = widen_approved(actor_of(request), request_id)
    except (Invalid, Conflict, CerbyError) as error:
        messages.error(request, " ".join([error.sentence, *getattr(error, "fields", {}).values()]))
        return HttpResponseRedirect(here)
    messages.success(request, "Saved: the approved scope is on for this key. Cerby has confirmed it.")
    return HttpResponseRedirect(reverse("keys:key", args=[key.pk]))


def _generate(request: HttpRequest, request_id: UUID) -> HttpResponse:
    assisted = settings.CERBY_ISSUE_MODE == "assisted"
    try:
        key_id = UUID(request.POST.get("id", ""))
    except ValueError:
        raise Invalid("The form was sent without its id. Open the request again.") from None
    tab_key = NO_TAB_KEY if assisted else seal.parse_tab_key(request.POST.get("tab_key", ""))
    made = generate_approved(actor_of(request), request_id, key_id=key_id, tab_key=tab_key)
    return HttpResponseRedirect(reverse("keys:paste" if assisted else "keys:store", args=[made]))


def _act(
    request: HttpRequest, request_id: UUID, name: str, act: Act, *, is_decision: bool = True
) -> HttpResponse:
    """Call ``act`` with the valid form ``name``, or show the page with the errors of the form.

    A decision needs a fresh sign-in.
    """
    page = request_page(actor_of(request), request_id)
    here = reverse("keys:request", args=[request_id])
    if is_decision:
        require_fresh_sign_in(request, here)
    form = _form(name, page, request.POST) if name else None
    if form is not None and not form.is_valid():
        return _page(request, request_id, HTTPStatus.UNPROCESSABLE_ENTITY, **{name: form})
    try:
        messages.success(request, act(form))
    except Invalid as invalid:
        if form is None:
            messages.error(request, invalid.sentence)
            return HttpResponseRedirect(here)
        refuse(form, invalid)
        return _page(request, request_id, HTTPStatus.UNPROCESSABLE_ENTITY, **{name: form})
    except Conflict as conflict:
        messages.error(request, conflict.sentence)
    return HttpResponseRedirect(here)


def _form(name: str, page: RequestPage, data: Any = None) -> forms.Form:
    auto_id = f"id_{name}_%s"
    if name == "offer":
        return OfferForm(data, auto_id=auto_id, request=page.request)
    return ReasonForm(data, auto_id=auto_id)


def _page(
    request: HttpRequest, request_id: UUID, status: int = HTTPStatus.OK, **bound: forms.Form
) -> HttpResponse:
    page = request_page(actor_of(request), request_id)
    names = ["deny", "review", *(["offer"] if page.asked else [])]
    each = {name: bound.get(name) or _form(name, page) for name in names}
    context = {"section": "requests", "page": page, "opened": bound.keys(), **each}
    return render(request, "keys/request.html", context, status=status)
