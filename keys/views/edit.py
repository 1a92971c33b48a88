"""Edit who answers for a key, its purpose and its note."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.actions.keys.edit import Edit, edit_key
from keys.audit.guard import authorize
from keys.forms.edit import EditForm
from keys.forms.existing_key import refuse
from keys.rules.errors import CerbyError, Conflict, Invalid
from keys.rules.permissions import Action
from keys.selectors.key.page import KeyPage, key_page
from keys.views.back import list_behind
from keys.views.people import actor_of


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Show the form (GET), or store it (POST). If another person was faster, keep the input."""
    actor = actor_of(request)
    page = key_page(actor, key_id)
    authorize(actor, Action.EDIT_KEY, page.key)
    if request.method != "POST":
        return _page(request, page, EditForm(key=page.key))
    form = EditForm(request.POST, key=page.key)
    if not form.is_valid():
        return _page(request, page, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    data = form.cleaned_data
    wanted = Edit(form.ownership(), note=data["note"], purpose=data.get("purpose"))
    try:
        changed = edit_key(actor, key_id, wanted, version=data["version"])
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, page, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except CerbyError as error:
        form.add_error(None, f"{error.sentence} Nothing was saved.")
        return _page(request, page, form, error.status)
    except Conflict as conflict:
        return _after_conflict(request, key_page(actor, key_id), conflict)
    done = f"“{page.key}” is saved." if changed else "You changed nothing, so nothing was saved."
    messages.success(request, done)
    return HttpResponseRedirect(list_behind(request) or reverse("keys:key", args=[key_id]))


def _after_conflict(request: HttpRequest, page: KeyPage, conflict: Conflict) -> HttpResponse:
    """Show the input again, on the present version, with the change of the other person."""
    data = request.POST.copy()
    data["version"] = str(page.key.version)
    form = EditForm(data, key=page.key)
    form.is_valid()
    newest = [row for act in page.story for row in act.steps if row.changes][:1]
    return _page(request, page, form, conflict.status, conflict=conflict, newest=newest)


def _page(
    request: HttpRequest, page: KeyPage, form: EditForm, status: int = HTTPStatus.OK, **more: object
) -> HttpResponse:
    context = {"section": "keys", "page": page, "form": form, "back": list_behind(request), **more}
    return render(request, "keys/edit.html", context, status=status)
