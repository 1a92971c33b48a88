"""Delete it in Cerby: instructions for Cerby's web app, and the person's confirmation."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.keys.confirm_removal import confirm_removal
from keys.selectors.key.page import key_page
from keys.selectors.key.paste import workspace_url
from keys.views.back import list_behind
from keys.views.people import actor_of

NOT_CONFIRMED = "Tick the box after you have deleted the key in Cerby."


@require_safe
def removal(request: HttpRequest, key_id: UUID) -> HttpResponse:
    return _page(request, key_id)


@require_POST
def confirm_removed(request: HttpRequest, key_id: UUID) -> HttpResponse:
    if request.POST.get("deleted") != "on":
        return _page(request, key_id, error=NOT_CONFIRMED, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    key = confirm_removal(actor_of(request), key_id)
    messages.success(request, f"“{key}” is removed, as you confirmed.")
    return HttpResponseRedirect(list_behind(request) or reverse("keys:key", args=[key_id]))


def _page(request: HttpRequest, key_id: UUID, *, error: str = "", status: int = 200) -> HttpResponse:
    page = key_page(actor_of(request), key_id)
    context = {
        "section": "keys",
        "page": page,
        "cerby_url": workspace_url(),
        "keys_path": settings.CERBY_KEYS_PATH,
        "error": error,
        "back": list_behind(request),
    }
    return render(request, "keys/removal.html", context, status=status)
