"""Register a key: add an existing key to the inventory, with or without its value."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from keys.actions.keys.register import register_key
from keys.audit.guard import authorize
from keys.forms.existing_key import RegisterForm, refuse
from keys.models import ApiKey
from keys.rules.errors import CerbyError, Conflict, Invalid
from keys.rules.permissions import Action
from keys.views.people import actor_of, require_fresh_sign_in
from keys.views.secrecy import secret_page


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@secret_page
@sensitive_variables()
def register(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    authorize(actor, Action.REGISTER_KEY)
    require_fresh_sign_in(request, reverse("keys:register"))
    if request.method != "POST":
        return _page(request, RegisterForm(initial={"owner": actor.email}))
    form = RegisterForm(request.POST)
    if not form.is_valid():
        return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    secret, accept_less = form.cleaned_data["api_key"], form.cleaned_data["accept_less"]
    try:
        key = register_key(actor, form.registration(), secret=secret, accept_less=accept_less)
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except (CerbyError, Conflict) as error:
        form.add_error(None, f"{error.sentence} Nothing was registered.")
        return _page(request, form, error.status)
    messages.success(request, _success_message(key))
    return HttpResponseRedirect(reverse("keys:inventory"))


def _success_message(key: ApiKey) -> str:
    if key.fingerprint is None:
        return f"“{key}” is declared. Without its value, the portal cannot recognise it in a leak."
    return f"“{key}” is registered. The portal keeps its fingerprint and can recognise it."


def _page(request: HttpRequest, form: RegisterForm, status: int = 200) -> HttpResponse:
    return render(request, "keys/register.html", {"section": "keys", "form": form}, status=status)
