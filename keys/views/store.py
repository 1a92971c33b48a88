"""Store your API key: the wizard's third page. Only its buttons claim the one view."""

from __future__ import annotations

import base64
import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.claim import claim_key
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.rules.errors import Invalid
from keys.rules.permissions import Actor
from keys.selectors.key.page import key_for
from keys.selectors.key.store import StoreStage, store_page
from keys.selectors.rotation.find import open_rotation_of
from keys.selectors.rotation.page import open_card
from keys.views.people import actor_of, require_fresh_sign_in, session_of
from keys.views.secrecy import secret_page

_STAGE_TEMPLATES = {
    StoreStage.VIEW: "keys/_store_view.html",
    StoreStage.PENDING: "keys/_store_pending.html",
    StoreStage.ANSWER_LOST: "keys/_store_answer_lost.html",
    StoreStage.VIEWED: "keys/_store_viewed.html",
    StoreStage.AWAITING_PASTE: "keys/_store_awaiting_paste.html",
    StoreStage.PASTED: "keys/_store_pasted.html",
    StoreStage.VIEW_EXPIRED: "keys/_store_view_expired.html",
    StoreStage.NEVER_ARRIVED: "keys/_store_never_arrived.html",
    StoreStage.NOTHING_TO_STORE: "keys/_store_nothing_to_store.html",
}


@require_safe
@secret_page
def store(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Show the page without claiming the view, so that link scanners and reloads are harmless."""
    actor = actor_of(request)
    page = store_page(actor, key_id)
    context = {"section": "keys", "page": page, "stage_template": _STAGE_TEMPLATES[page.stage]}
    context["rotation"] = open_card(actor, page.key)
    return render(request, "keys/store.html", context)


@require_POST
@secret_page
def claim(request: HttpRequest, key_id: UUID) -> JsonResponse:
    """Use the one view, and return the sealed key. Only the browser tab can open it."""
    require_fresh_sign_in(request, reverse("keys:store", args=[key_id]))
    sealed = claim_key(actor_of(request), key_id, session=session_of(request))
    return JsonResponse({"sealed": base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()})


@require_POST
@secret_page
@sensitive_variables()
def save_key(request: HttpRequest, key_id: UUID) -> JsonResponse:
    """Save the key in Cerby. The body is {"secret": text, "vault": id or null}."""
    secret, vault_id = _parse_body(request)
    saved = save_in_cerby(actor_of(request), key_id, secret=secret, vault_id=vault_id)
    tell = messages.warning if saved.not_shared else messages.success
    tell(request, f"The API key is saved in Cerby, {saved.sentence}")
    return JsonResponse({"next": _next(actor_of(request), key_id)})


@sensitive_variables()
def _parse_body(request: HttpRequest) -> tuple[str, UUID | None]:
    try:
        body = json.loads(request.body)
        return str(body["secret"]), UUID(body["vault"]) if body["vault"] else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Invalid("The page sent data that cannot be read. Reload it and try again.") from None


@require_POST
@secret_page
def done(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Record the owner's confirmation that the key is stored."""
    actor = actor_of(request)
    acknowledge_key(actor, key_id)
    messages.success(request, "The API key is active, and you have confirmed that it is stored.")
    return HttpResponseRedirect(_next(actor, key_id))


def _next(actor: Actor, key_id: UUID) -> str:
    """Return the page of the rotation that the key is a part of, which goes on there, or the inventory."""
    rotation = open_rotation_of(key_for(actor, key_id))
    return reverse("keys:rotation", args=[rotation.pk]) if rotation else reverse("keys:inventory")
