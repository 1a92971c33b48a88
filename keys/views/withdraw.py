"""Withdraw a registration that was a mistake, or the import that it came with."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.actions.keys.withdraw import withdraw_import, withdraw_key
from keys.audit.guard import authorize
from keys.forms.correct import WithdrawForm
from keys.forms.existing_key import refuse
from keys.rules.errors import Conflict, Invalid
from keys.rules.permissions import Action
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.key.page import KeyPage, key_page
from keys.selectors.key.withdraw import withdrawable
from keys.views.back import list_behind
from keys.views.people import actor_of


@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Ask for the reason (GET), or withdraw (POST)."""
    actor = actor_of(request)
    page = key_page(actor, key_id)
    authorize(actor, Action.WITHDRAW_KEY, page.key)
    form = WithdrawForm(request.POST if request.method == "POST" else None, key=page.key)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
        return _page(request, page, form, status)
    import_id, reason = page.key.imported_in, form.cleaned_data["reason"]
    try:
        if form.cleaned_data.get("whole") and import_id is not None:
            count = withdraw_import(actor, import_id, reason=reason)
            done = f"The import is undone: {count} {'key is' if count == 1 else 'keys are'} withdrawn."
        else:
            done = f"“{withdraw_key(actor, key_id, reason=reason)}” is withdrawn."
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, page, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Conflict as conflict:
        form.add_error(None, conflict.sentence)
        return _page(request, page, form, conflict.status)
    messages.success(request, f"{done} Nothing was changed in Cerby.")
    return HttpResponseRedirect(list_behind(request) or reverse("keys:key", args=[key_id]))


def _page(request: HttpRequest, page: KeyPage, form: WithdrawForm, status: int) -> HttpResponse:
    import_id = page.key.imported_in
    count = count_label(bounded_count(withdrawable(import_id))) if import_id else ""
    context = {"section": "keys", "page": page, "form": form, "count": count, "back": list_behind(request)}
    return render(request, "keys/withdraw.html", context, status=status)
