"""Paste your API key: instructions for Cerby's web app, and the field for the new key."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.actions.keys.paste import paste_key
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.forms.existing_key import PasteForm, refuse
from keys.rules.errors import CerbyError, Invalid
from keys.rules.permissions import Actor
from keys.selectors.key.paste import PastePage, paste_page
from keys.views.people import actor_of
from keys.views.secrecy import secret_page


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@secret_page
@sensitive_variables()
def paste(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Show the instructions (GET), or check the key and continue to "Store your API key" (POST)."""
    actor = actor_of(request)
    page = paste_page(actor, key_id)
    form = PasteForm(request.POST if request.method == "POST" else None, vaults=page.vaults)
    if request.method != "POST":
        return _page(request, page, form)
    if not form.is_valid():
        return _page(request, page, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    secret, accept_less = form.cleaned_data["api_key"], form.cleaned_data["accept_less"]
    try:
        paste_key(actor, key_id, secret, accept_less=accept_less)
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, page, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except CerbyError as error:
        form.add_error(None, f"{error.sentence} Nothing was kept: paste the key again.")
        return _page(request, page, form, status=error.status)
    if form.cleaned_data.get("save") and _save_in_vault(request, actor, page, form):
        return HttpResponseRedirect(reverse("keys:inventory"))
    return HttpResponseRedirect(reverse("keys:store", args=[key_id]))


@sensitive_variables()
def _save_in_vault(request: HttpRequest, actor: Actor, page: PastePage, form: PasteForm) -> bool:
    """Save the key in a vault and return whether it worked. If not, the person must store it."""
    chosen = form.cleaned_data.get("vault") or None
    try:
        saved = save_in_cerby(
            actor,
            page.key.id,
            secret=form.cleaned_data["api_key"],
            vault_id=UUID(chosen) if chosen else None,
        )
    except (CerbyError, Invalid) as error:
        messages.warning(request, f"The key was accepted, but it is not saved in Cerby. {error.sentence}")
        return False
    tell = messages.warning if saved.not_shared else messages.success
    tell(request, f"The API key is active, and saved in Cerby, {saved.sentence}")
    return True


def _page(request: HttpRequest, page: PastePage, form: PasteForm, status: int = 200) -> HttpResponse:
    context = {"section": "keys", "page": page, "form": form}
    return render(request, "keys/paste.html", context, status=status)
