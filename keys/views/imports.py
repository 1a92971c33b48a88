"""Import keys: check a CSV file of declared keys line by line, then import it."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import get_current_timezone_name
from django.views.decorators.http import require_http_methods, require_POST

from keys.actions.keys.import_keys import import_keys
from keys.audit.guard import authorize
from keys.forms.existing_key import LARGEST_IMPORT, ImportForm, refuse
from keys.rules.errors import CerbyError, Invalid
from keys.rules.permissions import Action, Actor
from keys.selectors.key.imports import plan
from keys.views.people import actor_of, require_fresh_sign_in
from portal.uploads import accepts_upload


@accepts_upload(LARGEST_IMPORT)
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """Ask for the file (GET), or show what an import of it would do (POST)."""
    actor = actor_of(request)
    authorize(actor, Action.REGISTER_KEY)
    if request.method != "POST":
        return _page(request, ImportForm())
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    return _dry_run(request, actor, form.cleaned_data["file"], form)


@require_POST
def import_now(request: HttpRequest) -> HttpResponse:
    """Import the text that the dry run has checked. The page sends it back."""
    actor = actor_of(request)
    authorize(actor, Action.REGISTER_KEY)
    require_fresh_sign_in(request, reverse("keys:imports"))
    text = request.POST.get("text", "")
    try:
        count = import_keys(actor, text)
    except (Invalid, CerbyError):
        return _dry_run(request, actor, text, ImportForm({}))
    messages.success(request, f"{count:,} {'key is' if count == 1 else 'keys are'} declared.")
    shown = request.POST.get("count", "")
    if shown.isdecimal() and (left_out := int(shown) - count) > 0:
        lines = "1 line was" if left_out == 1 else f"{left_out:,} lines were"
        messages.warning(request, f"{lines} left out, because the inventory has changed since the preview.")
    return HttpResponseRedirect(reverse("keys:inventory"))


def _dry_run(request: HttpRequest, actor: Actor, text: str, form: ImportForm) -> HttpResponse:
    form.full_clean()
    try:
        planned = plan(actor, text)
    except Invalid as invalid:
        form.errors.clear()
        refuse(form, invalid)
        return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except CerbyError as error:
        form.errors.clear()
        form.add_error(None, f"{error.sentence} Nothing was imported.")
        return _page(request, form, error.status)
    context = {"section": "keys", "form": ImportForm(), "plan": planned}
    context |= {"zone": get_current_timezone_name(), "is_windows_1252": form.is_windows_1252}
    return render(
        request, "keys/imports.html", context, status=200 if planned.good else HTTPStatus.UNPROCESSABLE_ENTITY
    )


def _page(request: HttpRequest, form: ImportForm, status: int = 200) -> HttpResponse:
    return render(request, "keys/imports.html", {"section": "keys", "form": form}, status=status)
