"""Selected keys: freeze a list, choose a bulk action, follow it, stop it, and try again."""

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

from keys.actions.audit.export_csv import export_selection
from keys.actions.bulk.ask import request_deletion
from keys.actions.bulk.freeze import freeze_matching, freeze_ticked, select_again
from keys.actions.bulk.start import start_bulk
from keys.actions.bulk.stop import stop_bulk
from keys.forms.bulk import BulkEditForm, DeleteForm, PeriodForm, PurposesForm, StopForm, ticked
from keys.forms.existing_key import LARGEST_IMPORT, refuse
from keys.jobs import tasks
from keys.models import Selection
from keys.rules.errors import CerbyError, Invalid
from keys.selectors.bulk.selection import BulkPage, bulk_page, matching_count, selection_for
from keys.selectors.inventory.table import EXPORT_HEADER
from keys.selectors.key.paste import workspace_url
from keys.selectors.requests.needs import approvals_to_delete
from keys.views.exports import csv_response
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of, require_fresh_sign_in
from portal.uploads import accepts_upload

Act = Selection.Act
ASK_FIRST = frozenset({Act.DELETE, Act.STOP})
"""The password is asked before these actions, as on the key's own page."""


@require_POST
def select(request: HttpRequest) -> HttpResponse:
    """Freeze the ticked keys, or all that match the filter."""
    actor, params = actor_of(request), QueryDict(request.POST.get("query", ""))
    try:
        if request.POST.get("all"):
            selection = freeze_matching(actor, params)
        else:
            selection = freeze_ticked(actor, ticked(request.POST.getlist("key")), params)
    except Invalid as invalid:
        messages.warning(request, invalid.sentence)
        return HttpResponseRedirect(reverse("keys:inventory", query=params))
    act = request.POST.get("act", "")
    if act == "review":
        return HttpResponseRedirect(reverse("keys:reviews-start", query={"selection": selection.pk}))
    query = {"act": act} if act in Act.values else None
    return HttpResponseRedirect(reverse("keys:bulk", args=[selection.pk], query=query))


@require_safe
def count(request: HtmxHttpRequest) -> HttpResponse:
    """Return the words of the button that selects all keys that match, with their number."""
    if not request.htmx:
        return HttpResponseRedirect(reverse("keys:inventory", query=request.GET))
    return render(request, "keys/_bulk_match.html", {"count": matching_count(actor_of(request), request.GET)})


@require_safe
def bulk(request: HtmxHttpRequest, selection_id: UUID) -> HttpResponse:
    """Show the list, with the form of the chosen action, its progress or its result."""
    act = request.GET.get("act", "")
    if act in ASK_FIRST and not request.htmx and not _has_started(request, selection_id):
        require_fresh_sign_in(request, request.get_full_path())
    return _page(request, selection_id, act)


@accepts_upload(LARGEST_IMPORT)
@require_POST
def begin(request: HtmxHttpRequest, selection_id: UUID) -> HttpResponse:
    act = request.POST.get("act", "")
    if act not in Act.values:
        return HttpResponseRedirect(reverse("keys:bulk", args=[selection_id]))
    if act in ASK_FIRST:
        require_fresh_sign_in(request, reverse("keys:bulk", args=[selection_id], query={"act": act}))
    selection = selection_for(actor_of(request), selection_id)
    form = _form(act, selection, request)
    if form is not None and not form.is_valid():
        return _page(request, selection_id, act, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        entries = _entries(form, selection)
        return HttpResponseRedirect(_start(request, selection, Act(act), entries))
    except forms.ValidationError as error:
        assert form is not None
        form.add_error("file", error)
        return _page(request, selection_id, act, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Invalid as invalid:
        assert form is not None
        refuse(form, invalid)
        if not invalid.fields:
            form.add_error(None, invalid.sentence)
        return _page(request, selection_id, act, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except CerbyError as error:
        if form is None:
            raise
        form.add_error(None, f"{error.sentence} Nothing was started.")
        return _page(request, selection_id, act, form, error.status)


def _start(request: HttpRequest, selection: Selection, act: Selection.Act, entries: dict[str, Any]) -> str:
    """Start the action, or ask a second person for their approval. Return the address of the next page."""
    actor, enqueue = actor_of(request), tasks.bulk_action.enqueue
    if act is Act.DELETE and approvals_to_delete(selection):
        made = request_deletion(actor, selection.pk, enqueue, **entries)
        if not made.is_break_glass:
            return reverse("keys:request", args=[made.pk])
    else:
        start_bulk(actor, selection.pk, act, enqueue, **entries)
    return reverse("keys:bulk", args=[selection.pk])


@require_POST
def stop(request: HttpRequest, selection_id: UUID) -> HttpResponse:
    stop_bulk(actor_of(request), selection_id)
    return HttpResponseRedirect(reverse("keys:bulk", args=[selection_id]))


@require_POST
def again(request: HttpRequest, selection_id: UUID) -> HttpResponse:
    """Select the keys that an action has not done, for another try."""
    old = selection_for(actor_of(request), selection_id)
    try:
        selection = select_again(actor_of(request), selection_id)
    except Invalid as invalid:
        messages.warning(request, invalid.sentence)
        return HttpResponseRedirect(reverse("keys:bulk", args=[selection_id]))
    return HttpResponseRedirect(reverse("keys:bulk", args=[selection.pk], query={"act": old.act}))


@require_safe
def export(request: HttpRequest, selection_id: UUID) -> StreamingHttpResponse:
    require_fresh_sign_in(request, reverse("keys:bulk", args=[selection_id]))
    return csv_response("selected-api-keys", EXPORT_HEADER, export_selection(actor_of(request), selection_id))


def _has_started(request: HttpRequest, selection_id: UUID) -> bool:
    return selection_for(actor_of(request), selection_id).started_at is not None


def _form(act: str, selection: Selection, request: HttpRequest | None = None) -> forms.Form | None:
    data = request.POST if request else None
    if act == Act.DELETE:
        needs_approval = bool(approvals_to_delete(selection))
        return DeleteForm(data, count=selection.count, needs_approval=needs_approval)
    if act == Act.STOP:
        return StopForm(data, count=selection.count)
    if act == Act.ROTATE:
        return PeriodForm(data)
    if act == Act.EDIT:
        return BulkEditForm(data)
    if act == Act.ADOPT:
        return PurposesForm(data, request.FILES if request else None)
    return None


def _entries(form: forms.Form | None, selection: Selection) -> dict[str, Any]:
    if isinstance(form, PurposesForm):
        return {"purpose": form.cleaned_data["purpose"], "purposes": form.purposes(selection)}
    if isinstance(form, PeriodForm):
        return {"period": (form.cleaned_data["first"], form.cleaned_data["last"])}
    if isinstance(form, BulkEditForm):
        return {"ownership": form.ownership()}
    return form.cleaned_data if form else {}


def _back(page: BulkPage) -> str:
    """Return the address of the list. Keys that were stopped in an emergency are not active any more."""
    query = QueryDict(page.selection.query, mutable=True)
    if page.act == Selection.Act.STOP and page.selection.started_at:
        query.pop("status", None)
    return reverse("keys:inventory", query=query) if query else reverse("keys:inventory")


def _page(
    request: HtmxHttpRequest,
    selection_id: UUID,
    act: str,
    form: forms.Form | None = None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    page: BulkPage = bulk_page(actor_of(request), selection_id, act)
    context = {
        "section": "keys",
        "page": page,
        "form": form or _form(page.act, page.selection),
        "back": _back(page),
        "cerby_url": workspace_url(),
    }
    return render_part(request, "keys/bulk.html", "progress", context, status=status)
