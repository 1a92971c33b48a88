"""Rotate a key: the values of its successor. The next page is the ordinary Store page."""

from __future__ import annotations

import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys.actions.lineage.begin import check_can_rotate
from keys.actions.requests.open import request_key
from keys.actions.rotation.start import start_rotation
from keys.audit.guard import authorize
from keys.forms.existing_key import refuse
from keys.forms.new_key import length_of, request_of
from keys.forms.requests import AskForm
from keys.forms.rotation import RotateForm, usual_values
from keys.models import ApiKey, Pause, User
from keys.rules import formatting
from keys.rules.errors import CerbyError, Conflict, Invalid, NeedsApproval, OutsidePolicy, RequestUsed
from keys.rules.permissions import Action
from keys.selectors.key.page import key_for
from keys.selectors.rotation.find import open_rotation_of
from keys.views.people import actor_of, require_fresh_sign_in


@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Show the form (GET), or generate the new key (POST). If a rotation is under way, lead to it."""
    actor = actor_of(request)
    key = key_for(actor, key_id)
    authorize(actor, Action.ROTATE_KEY, key)
    require_fresh_sign_in(request, reverse("keys:rotate", args=[key_id]))
    if request.method != "POST":
        if rotation := open_rotation_of(key):
            return HttpResponseRedirect(reverse("keys:rotation", args=[rotation.pk]))
        zone = cast("User", request.user).time_zone
        initial = {**usual_values(key), "id": uuid.uuid4(), "time_zone": zone}
        return _page(request, key, RotateForm(initial=initial, old=key))
    return _start(request, key, RotateForm(request.POST, old=key))


def _start(request: HttpRequest, key: ApiKey, form: RotateForm) -> HttpResponse:
    """Generate the new key, or ask for the approval that it needs."""
    if not form.is_valid():
        return _page(request, key, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    if "reason" in request.POST:
        return _ask(request, key, form)
    try:
        new = start_rotation(actor_of(request), request_of(form, form), form.rotating())
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, key, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except NeedsApproval as needed:
        return _page(request, key, form, ask=AskForm(), needed=needed)
    except (CerbyError, RequestUsed, Conflict) as refusal:
        again = _with_new_id(request, key)
        again.add_error(None, f"{refusal.sentence} The old key was not touched.")
        return _page(request, key, again, refusal.status)
    page = "keys:paste" if settings.CERBY_ISSUE_MODE == "assisted" else "keys:store"
    return HttpResponseRedirect(reverse(page, args=[new]))


def _ask(request: HttpRequest, key: ApiKey, form: RotateForm) -> HttpResponse:
    """Ask other people for their approval of the new key, and lead to the request."""
    ask, wanted = AskForm(request.POST), replace(request_of(form, form), rotates=form.rotating())
    if ask.is_valid():
        try:
            made = request_key(actor_of(request), wanted, lasts=length_of(form), **ask.cleaned_data)
        except OutsidePolicy as outside:
            refuse(form, outside)
        except Invalid as invalid:
            refuse(ask, invalid)
        except Conflict as conflict:
            ask.add_error(None, conflict.sentence)
        else:
            page = "keys:request-use" if made.is_break_glass else "keys:request"
            return HttpResponseRedirect(reverse(page, args=[made.pk]))
    return _page(request, key, form, HTTPStatus.UNPROCESSABLE_ENTITY, ask=ask)


def _with_new_id(request: HttpRequest, key: ApiKey) -> RotateForm:
    """Return the form with the same input and a new id, because each id serves only one request."""
    data = request.POST.copy()
    data["id"], data["tab_key"] = str(uuid.uuid4()), ""
    form = RotateForm(data, old=key)
    form.is_valid()
    return form


def _page(
    request: HttpRequest, key: ApiKey, form: RotateForm, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    try:
        check_can_rotate(key, timezone.now())
        why_not = ""
    except Conflict as conflict:
        why_not = conflict.sentence
    until = Pause.active_until() if settings.CERBY_ISSUE_MODE == "direct" else None
    context = {
        "section": "keys",
        "key": key,
        "form": form,
        "why_not": why_not,
        "paused": formatting.clock(until) if until else "",
        "assisted": settings.CERBY_ISSUE_MODE == "assisted",
        "acts_as_another": key.owner_id != request.user.pk,
        **more,
    }
    return render(request, "keys/rotate.html", context, status=status)
