"""API key settings: one key, its scopes, its activity, and its deletion."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.actions.keys.adopt import adopt_key
from keys.actions.keys.ask_to_widen import request_widening
from keys.actions.keys.delete import delete_key
from keys.actions.keys.rescope import needs, rescope_key
from keys.actions.reach.accept import accept_reach
from keys.actions.safeguards.keep import keep_key
from keys.forms.existing_key import refuse
from keys.forms.new_key import AdoptForm
from keys.forms.requests import AskForm
from keys.models import ApiKey
from keys.rules import scopes as catalogue
from keys.rules.errors import CerbyError, Conflict, Invalid, NeedsApproval
from keys.rules.lifecycle import State
from keys.rules.permissions import Action
from keys.selectors.key.page import Widening, key_for, key_page, widening
from keys.selectors.rotation.page import open_card
from keys.views.back import list_behind, with_back
from keys.views.htmx import HtmxHttpRequest, redirect_page, render_part
from keys.views.people import actor_of, require_fresh_sign_in


@require_safe
def key(request: HtmxHttpRequest, key_id: UUID) -> HttpResponse:
    page = key_page(actor_of(request), key_id)
    context = {"section": "keys", "page": page, "adopt": AdoptForm(), "back": list_behind(request)}
    context["card"] = open_card(actor_of(request), page.key)
    return render(request, "keys/key.html", context)


@require_POST
def adopt(request: HtmxHttpRequest, key_id: UUID) -> HttpResponse:
    """Give a discovered key a purpose."""
    actor, form, back = actor_of(request), AdoptForm(request.POST), list_behind(request)
    if not form.is_valid():
        context = {"section": "keys", "page": key_page(actor, key_id), "adopt": form, "back": back}
        return render(request, "keys/key.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    adopt_key(actor, key_id, purpose=form.cleaned_data["purpose"])
    messages.success(request, "The key is adopted: its purpose is recorded.")
    return HttpResponseRedirect(back or reverse("keys:key", args=[key_id]))


@require_POST
def accept_grown_reach(request: HtmxHttpRequest, key_id: UUID) -> HttpResponse:
    """Accept that the key can open more than before."""
    accept_reach(actor_of(request), key_id)
    messages.success(request, "Accepted. The portal compares the reach of this key with the present count.")
    return HttpResponseRedirect(reverse("keys:key", args=[key_id]))


@require_POST
def keep(request: HtmxHttpRequest, key_id: UUID) -> HttpResponse:
    """Keep a key that the quarantine holds back."""
    require_fresh_sign_in(request, reverse("keys:health"))
    kept = keep_key(actor_of(request), key_id)
    messages.success(request, f"“{kept}” is kept and active again.")
    return HttpResponseRedirect(reverse("keys:health"))


@require_http_methods(["GET", "HEAD", "POST"])
def rescope(request: HtmxHttpRequest, key_id: UUID) -> HttpResponse:
    """Ask whether to turn a scope on (GET), or turn one on or off and return the new settings (POST)."""
    actor = actor_of(request)
    if request.method != "POST":
        asked = widening(actor, key_id, request.GET.get("scope", ""))
        url = reverse("keys:key-rescope", args=[key_id], query={"scope": asked.scope.id})
        require_fresh_sign_in(request, url)
        return _question(request, asked)
    scope, on = request.POST.get("scope", ""), request.POST.get("on") == "true"
    if on and "reason" in request.POST:
        return _ask(request, key_id, scope)
    if needs(key_for(actor, key_id), scope, on=on) is Action.WIDEN_KEY:
        require_fresh_sign_in(request, reverse("keys:key", args=[key_id]))
    try:
        rescope_key(actor, key_id, scope, on=on)
    except NeedsApproval:
        if request.htmx:
            url = reverse("keys:key-rescope", args=[key_id], query={"scope": scope})
            return redirect_page(request, url)
        return _question(request, widening(actor, key_id, scope))
    state = f"“{catalogue.label(scope)}” is {'on' if on else 'off'} for this key"
    messages.success(request, f"Saved: {state}. Cerby has confirmed it.")
    if not request.htmx:
        return HttpResponseRedirect(reverse("keys:key", args=[key_id]))
    return render(request, "keys/key.html#settings", {"page": key_page(actor, key_id)})


def _question(
    request: HtmxHttpRequest, asked: Widening, ask: AskForm | None = None, status: int = HTTPStatus.OK
) -> HttpResponse:
    """Ask whether to turn the scope on. If other people must approve it, ask for the reason as well."""
    form = ask or (AskForm() if asked.needed else None)
    context = {"section": "keys", "asked": asked, "ask": form, "needed": asked.needed}
    return render_part(request, "keys/rescope.html", "dialog", context, status=status)


def _ask(request: HtmxHttpRequest, key_id: UUID, scope: str) -> HttpResponse:
    """Ask other people for their approval of the scope, and lead to the request."""
    actor = actor_of(request)
    asked = widening(actor, key_id, scope)
    require_fresh_sign_in(request, reverse("keys:key-rescope", args=[key_id], query={"scope": scope}))
    ask, status = AskForm(request.POST), HTTPStatus.UNPROCESSABLE_ENTITY
    if ask.is_valid():
        try:
            made = request_widening(actor, key_id, scope, **ask.cleaned_data)
        except Invalid as invalid:
            refuse(ask, invalid)
        except (Conflict, CerbyError) as error:
            ask.add_error(None, error.sentence)
            status = error.status
        else:
            return redirect_page(request, reverse("keys:request", args=[made.pk]))
    return _question(request, asked, ask, status)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HtmxHttpRequest, key_id: UUID) -> HttpResponse:
    """Ask "Delete API key?" (GET), or delete the key (POST) and return to the list."""
    actor, back = actor_of(request), list_behind(request)
    require_fresh_sign_in(request, with_back("keys:key-delete", key_id, back))
    if request.method != "POST":
        context = {"section": "keys", "page": key_page(actor, key_id), "back": back}
        return render_part(request, "keys/delete.html", "dialog", context)
    try:
        deleted = delete_key(actor, key_id)
    except (CerbyError, Conflict) as error:
        if not request.htmx:
            raise
        messages.error(request, error.sentence)  # on the reloaded page: the attempt may have changed the key
        return redirect_page(request, reverse("keys:key", args=[key_id]))
    if deleted.state == State.REVOKING:  # a person must delete it in Cerby
        url = with_back("keys:removal", key_id, back)
    else:
        messages.success(request, _deletion_message(deleted))
        url = back or reverse("keys:key", args=[key_id])
    return redirect_page(request, url)


def _deletion_message(key: ApiKey) -> str:
    if key.state == State.REVOKED and key.is_deleted_by_hand:
        return f"“{key}” is removed. A person has confirmed it."
    if key.state == State.REVOKED:
        return f"“{key}” is removed. Cerby has confirmed that it no longer works."
    if key.origin == ApiKey.Origin.PASTED:
        return f"The request for “{key}” is cancelled. If you made the key in Cerby, delete it there."
    return f"“{key}” was never made in Cerby, so there is nothing to delete there."
