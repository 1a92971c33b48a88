"""Notifications: the channels of the organisation, and a form to add one."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from keys.actions.channels.add import add_channel
from keys.audit.guard import authorize
from keys.forms.channels import AddChannelForm
from keys.rules.errors import Invalid
from keys.rules.notifications import FOR_PEOPLE
from keys.rules.permissions import Action
from keys.selectors.channels.page import all_channels
from keys.views.people import actor_of, require_fresh_sign_in
from keys.views.secrecy import secret_page

SECTION = {"section": "settings", "tab": "channels"}


@require_safe
def channels(request: HttpRequest) -> HttpResponse:
    context = {**SECTION, "channels": all_channels(actor_of(request))}
    return render(request, "keys/channels.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@secret_page
@sensitive_variables()
def add_to_channels(request: HttpRequest) -> HttpResponse:
    """Show the secret of a new webhook in the answer, once."""
    actor = actor_of(request)
    authorize(actor, Action.MANAGE_CHANNELS)
    require_fresh_sign_in(request, reverse("keys:channels-add"))
    initial = {"kinds": [kind.value for kind in FOR_PEOPLE]}
    form = AddChannelForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            channel, secret = add_channel(actor, **form.cleaned_data)
        except Invalid as error:
            for field, sentence in error.fields.items():
                form.add_error(field, sentence)
        else:
            context = {**SECTION, "channel": channel, "secret": secret, "is_new": True}
            return render(request, "keys/channel_secret.html", context)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "keys/channels_add.html", {**SECTION, "form": form}, status=status)
