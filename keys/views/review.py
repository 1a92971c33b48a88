"""One review: decide about its keys, move an item to another reviewer, sign off, and download the pack."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.audit.export_evidence import export_review
from keys.actions.reviews.decide import decide, keep_together, mark_shown
from keys.actions.reviews.finish import declare_done
from keys.actions.reviews.hand_over import hand_over
from keys.actions.reviews.sign import sign_off, stop_repeating
from keys.forms.existing_key import refuse
from keys.forms.reviews import MoveForm, WhyForm
from keys.rules.errors import Conflict, Invalid
from keys.rules.reviews import Decision
from keys.selectors.reviews.page import item_page, review_page
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of, require_fresh_sign_in

_WORDS = {
    Decision.KEEP: "kept",
    Decision.NARROW: "to be narrowed",
    Decision.ROTATE: "to be rotated",
    Decision.REMOVE: "to be removed",
}


@require_safe
def review(request: HtmxHttpRequest, campaign_id: UUID) -> HttpResponse:
    return _page(request, campaign_id, request.GET)


@require_POST
def decide_one(request: HtmxHttpRequest, campaign_id: UUID) -> HttpResponse:
    """Record a decision. Answer with the rest of the items, so that the next one follows at once."""
    chosen, item_id = request.POST.get("decision", ""), _number(request.POST.get("item", ""))
    sentence = " ".join(request.POST.get("sentence", "").split())
    try:
        if chosen not in _WORDS:
            raise Conflict("Choose a decision: Keep, Narrow, Rotate or Remove.")
        done = decide(actor_of(request), campaign_id, item_id, Decision(chosen), sentence)
    except Invalid as invalid:
        reason = invalid.fields.get("sentence", invalid.sentence)
        refused = {"item": item_id, "reason": reason, "sentence": sentence}
        return _page(request, campaign_id, _list(request), HTTPStatus.UNPROCESSABLE_ENTITY, refused=refused)
    said = f"“{done.snapshot['name']}” is {_WORDS[Decision(chosen)]}."
    return _next(request, campaign_id, said)


@require_POST
def keep_several(request: HtmxHttpRequest, campaign_id: UUID) -> HttpResponse:
    """Keep the ticked items at once."""
    ids = [_number(each) for each in request.POST.getlist("tick")]
    try:
        count = keep_together(actor_of(request), campaign_id, ids)
    except (Invalid, Conflict) as error:
        messages.error(request, error.sentence)
        return _next(request, campaign_id, "", HTTPStatus.CONFLICT)
    return _next(request, campaign_id, f"{count} API key{' is' if count == 1 else 's are'} kept.")


@require_safe
def item(request: HttpRequest, campaign_id: UUID, item_id: int) -> HttpResponse:
    actor = actor_of(request)
    mark_shown(actor, [item_id])
    return _item(request, campaign_id, item_id)


@require_POST
def move(request: HttpRequest, campaign_id: UUID, item_id: int) -> HttpResponse:
    """Give the item to another reviewer."""
    form = MoveForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            to = hand_over(actor_of(request), campaign_id, item_id, data["to"], data["reason"])
        except Invalid as invalid:
            refuse(form, invalid)
        else:
            messages.success(request, f"{to.name} is asked to review the API key.")
            return HttpResponseRedirect(reverse("keys:review", args=[campaign_id]))
    return _item(request, campaign_id, item_id, HTTPStatus.UNPROCESSABLE_ENTITY, form=form)


@require_POST
def declare(request: HttpRequest, campaign_id: UUID, item_id: int) -> HttpResponse:
    """Record that a person has narrowed the key in Cerby's web app."""
    form = WhyForm(request.POST)
    if form.is_valid():
        try:
            declare_done(actor_of(request), campaign_id, item_id, form.cleaned_data["reason"])
        except Invalid as invalid:
            refuse(form, invalid)
        else:
            messages.success(request, "The decision is recorded as carried out.")
            return HttpResponseRedirect(reverse("keys:review-item", args=[campaign_id, item_id]))
    return _item(request, campaign_id, item_id, HTTPStatus.UNPROCESSABLE_ENTITY, why=form)


@require_POST
def sign(request: HtmxHttpRequest, campaign_id: UUID) -> HttpResponse:
    require_fresh_sign_in(request, reverse("keys:review", args=[campaign_id]))
    form = WhyForm(request.POST)
    if form.is_valid():
        try:
            sign_off(actor_of(request), campaign_id, form.cleaned_data["reason"])
        except Invalid as invalid:
            refuse(form, invalid)
        else:
            messages.success(request, "The review is signed off. The keys that were kept are certified.")
            return HttpResponseRedirect(reverse("keys:review", args=[campaign_id]))
    return _page(request, campaign_id, QueryDict(), HTTPStatus.UNPROCESSABLE_ENTITY, why=form)


@require_POST
def stop_repeating_it(request: HttpRequest, campaign_id: UUID) -> HttpResponse:
    stop_repeating(actor_of(request), campaign_id)
    messages.success(request, "This review is not repeated any more.")
    return HttpResponseRedirect(reverse("keys:review", args=[campaign_id]))


@require_POST
def download_pack(request: HttpRequest, campaign_id: UUID) -> StreamingHttpResponse:
    require_fresh_sign_in(request, reverse("keys:review", args=[campaign_id]))
    download = export_review(actor_of(request), campaign_id)
    response = StreamingHttpResponse(download, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{download.name}"'
    response["Cache-Control"] = "no-store, private"
    return response


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < len(str(2**63)) else 0


def _list(request: HttpRequest) -> QueryDict:
    return QueryDict(request.POST.get("list", ""))


def _next(
    request: HtmxHttpRequest, campaign_id: UUID, said: str, status: int = HTTPStatus.OK
) -> HttpResponse:
    if request.htmx:
        return _page(request, campaign_id, _list(request), status, said=said)
    if said:
        messages.success(request, said)
    return HttpResponseRedirect(reverse("keys:review", args=[campaign_id], query=_list(request)))


def _page(
    request: HtmxHttpRequest,
    campaign_id: UUID,
    params: QueryDict,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    page = review_page(actor_of(request), campaign_id, params)
    mark_shown(actor_of(request), [row.item.pk for row in page.rows.rows if row.may_decide])
    given: dict[str, Any] = {"why": WhyForm(), "refused": {}, "said": ""} | more
    context = {"section": "reviews", "page": page, "params": params, **given}
    return render_part(request, "keys/review.html", "items", context, status=status)


def _item(
    request: HttpRequest, campaign_id: UUID, item_id: int, status: int = HTTPStatus.OK, **bound: forms.Form
) -> HttpResponse:
    page = item_page(actor_of(request), campaign_id, item_id)
    each = {"form": MoveForm(), "why": WhyForm()} | bound
    return render(
        request, "keys/review_item.html", {"section": "reviews", "page": page, **each}, status=status
    )
