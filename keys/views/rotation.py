"""Rotations: their list, the page of one, and the ends of its overlap."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.rotation.call_off import call_off
from keys.actions.rotation.extend import extend_overlap
from keys.actions.rotation.kill import kill_old_key
from keys.actions.rotation.retire import retire_old_key
from keys.forms.existing_key import refuse
from keys.forms.rotation import CallOffForm, ExtendForm, KillForm, RetireForm
from keys.models import ApiKey, Rotation
from keys.rules import formatting
from keys.rules.errors import CerbyError, Invalid
from keys.rules.lifecycle import State
from keys.selectors.rotation.find import rotation_for
from keys.selectors.rotation.page import rotation_page
from keys.selectors.rotation.table import rotations as list_of_rotations
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of, require_fresh_sign_in

FORMS = {
    "retire": RetireForm,
    "kill": KillForm,
    "call_off": CallOffForm,
}


@require_safe
def rotations(request: HtmxHttpRequest) -> HttpResponse:
    found = list_of_rotations(actor_of(request), request.GET)
    context = {"section": "keys", "found": found, "params": request.GET}
    return render_part(request, "keys/rotations.html", "table", context)


@require_safe
def rotation(request: HttpRequest, rotation_id: UUID) -> HttpResponse:
    return _page(request, rotation_id)


@require_POST
def retire(request: HttpRequest, rotation_id: UUID) -> HttpResponse:
    """Retire the old key, with proof or without."""

    def act(form: Any) -> HttpResponse:
        data = form.cleaned_data
        options = {"without_proof": data["without_proof"], "reason": data["reason"]}
        return _after_deletion(request, retire_old_key(actor_of(request), rotation_id, **options))

    return _act(request, rotation_id, "retire", act)


@require_POST
def kill(request: HttpRequest, rotation_id: UUID) -> HttpResponse:
    """Kill the old key now."""

    def act(form: Any) -> HttpResponse:
        killed = kill_old_key(actor_of(request), rotation_id, reason=form.cleaned_data["reason"])
        return _after_deletion(request, killed)

    return _act(request, rotation_id, "kill", act)


@require_POST
def extend(request: HttpRequest, rotation_id: UUID) -> HttpResponse:
    def act(form: Any) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        extended = extend_overlap(actor_of(request), rotation_id, overlap=form.length(), reason=reason)
        messages.success(request, f"The overlap now ends on {formatting.exact(extended.overlap_until)}.")
        return _back(rotation_id)

    return _act(request, rotation_id, "extend", act)


@require_POST
def abandon(request: HttpRequest, rotation_id: UUID) -> HttpResponse:
    """Call the rotation off."""

    def act(form: Any) -> HttpResponse:
        ended = call_off(actor_of(request), rotation_id, reason=form.cleaned_data["reason"])
        ended.new.refresh_from_db()
        if ended.new.state == State.REVOKING and ended.new.is_deleted_by_hand:
            return HttpResponseRedirect(reverse("keys:removal", args=[ended.new_id]))
        messages.success(request, f"The rotation is called off. “{ended.old}” stays in use.")
        return _back(rotation_id)

    return _act(request, rotation_id, "call_off", act)


def _act(
    request: HttpRequest, rotation_id: UUID, name: str, act: Callable[[Any], HttpResponse]
) -> HttpResponse:
    """Call ``act`` with the valid form ``name``, or show the page with the errors of the form."""
    found = rotation_for(actor_of(request), rotation_id)
    require_fresh_sign_in(request, reverse("keys:rotation", args=[rotation_id]))
    form = _form(name, found, request.POST)
    if form.is_valid():
        try:
            return act(form)
        except Invalid as invalid:
            refuse(form, invalid)
        except CerbyError as error:
            messages.error(request, error.sentence)
            return _back(rotation_id)
    return _page(request, rotation_id, HTTPStatus.UNPROCESSABLE_ENTITY, **{name: form})


def _form(name: str, rotation: Rotation, data: QueryDict | None = None) -> forms.Form:
    auto_id = f"id_{name}_%s"
    if name == "extend":
        return ExtendForm(data, auto_id=auto_id, rotation=rotation)
    return FORMS[name](data, auto_id=auto_id)


def _page(
    request: HttpRequest, rotation_id: UUID, status: int = HTTPStatus.OK, **bound: forms.Form
) -> HttpResponse:
    page = rotation_page(actor_of(request), rotation_id)
    each = {name: bound.get(name) or _form(name, page.card.rotation) for name in (*FORMS, "extend")}
    context = {"section": "keys", "page": page, "card": page.card, "opened": bound.keys(), **each}
    return render(request, "keys/rotation.html", context, status=status)


def _after_deletion(request: HttpRequest, old: ApiKey) -> HttpResponse:
    if old.state == State.REVOKING:  # a person must delete it in Cerby
        return HttpResponseRedirect(reverse("keys:removal", args=[old.pk]))
    messages.success(request, f"“{old}” is removed. Cerby has confirmed that it no longer works.")
    return _back(old.rotations.order_by("-started_at").values_list("pk", flat=True)[0])


def _back(rotation_id: UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse("keys:rotation", args=[rotation_id]))
