"""Correct a registered key: its name, owner or expiry."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.actions.keys.correct import Correction, correct_key
from keys.audit.guard import authorize
from keys.forms.correct import CorrectForm
from keys.forms.existing_key import refuse
from keys.rules.errors import CerbyError, Conflict, Invalid
from keys.rules.permissions import Action
from keys.selectors.key.page import key_page
from keys.views.back import list_behind
from keys.views.people import actor_of


@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest, key_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    page = key_page(actor, key_id)
    authorize(actor, Action.CORRECT_KEY, page.key)
    form = CorrectForm(request.POST if request.method == "POST" else None, key=page.key)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    if form.is_valid():
        data = form.cleaned_data
        wanted = Correction(data["name"], data["owner"], data["expires_at"], data["reason"])
        try:
            changed = correct_key(actor, key_id, wanted, version=data["version"])
        except Invalid as invalid:
            refuse(form, invalid)
        except (CerbyError, Conflict) as error:
            form.add_error(None, error.sentence)
            status = error.status
        else:
            done = f"“{data['name']}” is corrected." if changed else "You changed nothing."
            messages.success(request, done)
            return HttpResponseRedirect(list_behind(request) or reverse("keys:key", args=[key_id]))
    context = {"section": "keys", "page": page, "form": form, "back": list_behind(request)}
    return render(request, "keys/correct.html", context, status=status)
