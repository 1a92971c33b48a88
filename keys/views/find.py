"""Is this ours? Find the portal's keys in a text that a person pastes or uploads."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.actions.keys.find_leaked import find_leaked
from keys.audit.guard import authorize
from keys.forms.existing_key import FindForm
from keys.rules import key_text
from keys.rules.errors import Busy, TooOften
from keys.rules.permissions import Action
from keys.selectors.key.find import answers
from keys.views.people import actor_of
from keys.views.secrecy import secret_page
from portal.uploads import accepts_upload


@accepts_upload(key_text.LARGEST_FILE)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@secret_page
@sensitive_variables()
def find(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    authorize(actor, Action.FIND_KEY)
    if request.method != "POST":
        return _page(request, FindForm())
    form = FindForm(request.POST, request.FILES)
    try:
        if not form.is_valid():
            return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
        found = find_leaked(actor, text=form.cleaned_data["text"], file=form.cleaned_data["file"])
    except (Busy, TooOften) as error:
        return _not_now(request, error)
    context = {
        "section": "keys",
        "form": FindForm(),
        "asked": True,
        "keys": answers(actor, found.keys, found.unproved),
        "found": found,
        "was_search": "searched" in request.POST,
    }
    return render(request, "keys/find.html", context)


@sensitive_variables()
def _not_now(request: HttpRequest, error: Busy | TooOften) -> HttpResponse:
    """Show the form again with the pasted text. A browser does not send a file's name back."""
    form = FindForm(request.POST)
    form.keep_input()
    form.errors.clear()
    form.add_error(None, error.sentence)
    return _page(request, form, error.status)


def _page(request: HttpRequest, form: FindForm, status: int = 200) -> HttpResponse:
    return render(request, "keys/find.html", {"section": "keys", "form": form}, status=status)
