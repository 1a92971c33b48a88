"""One channel of notifications: its delivery log, and what admins do to it."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from keys.actions.channels.edit import edit_channel
from keys.actions.channels.renew_secret import end_former_secrets, renew_secret
from keys.actions.channels.send_again import send_again, send_test
from keys.actions.channels.turn_off import disable_channel, enable_channel, remove_channel
from keys.forms.channels import EditChannelForm
from keys.rules.errors import Invalid
from keys.selectors.channels.page import channel_for, channel_page
from keys.views.channels import SECTION
from keys.views.people import actor_of, require_fresh_sign_in
from keys.views.secrecy import secret_page


@require_safe
def channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    found = channel_page(actor_of(request), channel_id, request.GET)
    return render(request, "keys/channel.html", {**SECTION, "found": found, "params": request.GET})


@require_http_methods(["GET", "HEAD", "POST"])
def edit_one_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    subject = channel_for(actor_of(request), channel_id)
    require_fresh_sign_in(request, reverse("keys:channel-edit", args=[channel_id]))
    initial = {"name": subject.name, "kinds": subject.kinds}
    form = EditChannelForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            changed = edit_channel(actor_of(request), channel_id, **form.cleaned_data)
        except Invalid as error:
            for field, sentence in error.fields.items():
                form.add_error(field, sentence)
        else:
            messages.success(request, f"The channel “{changed.name}” is saved.")
            return _to_channel(channel_id)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {**SECTION, "channel": subject, "form": form}
    return render(request, "keys/channel_edit.html", context, status=status)


@require_POST
def test_one_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    _check(request, channel_id)
    _say(request, send_test(actor_of(request), channel_id), "The test has arrived.")
    return _to_channel(channel_id)


@require_POST
def repeat(request: HttpRequest, channel_id: int, delivery_id: int) -> HttpResponse:
    _check(request, channel_id)
    _say(request, send_again(actor_of(request), channel_id, delivery_id), "The notification has arrived.")
    return _to_channel(channel_id)


@require_POST
@secret_page
@sensitive_variables()
def renew(request: HttpRequest, channel_id: int) -> HttpResponse:
    """Show the new secret in the answer, once."""
    _check(request, channel_id)
    renewed, secret = renew_secret(actor_of(request), channel_id)
    return render(request, "keys/channel_secret.html", {**SECTION, "channel": renewed, "secret": secret})


@require_POST
def end_former(request: HttpRequest, channel_id: int) -> HttpResponse:
    _check(request, channel_id)
    end_former_secrets(actor_of(request), channel_id)
    messages.success(request, "Only the newest secret signs from now on.")
    return _to_channel(channel_id)


@require_POST
def disable(request: HttpRequest, channel_id: int) -> HttpResponse:
    _check(request, channel_id)
    name = disable_channel(actor_of(request), channel_id).name
    messages.success(request, f"The channel “{name}” is disabled.")
    return _to_channel(channel_id)


@require_POST
def enable(request: HttpRequest, channel_id: int) -> HttpResponse:
    _check(request, channel_id)
    name = enable_channel(actor_of(request), channel_id).name
    messages.success(request, f"The channel “{name}” is enabled.")
    return _to_channel(channel_id)


@require_POST
def remove_one_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    _check(request, channel_id)
    name = remove_channel(actor_of(request), channel_id).name
    messages.success(request, f"The channel “{name}” is removed.")
    return HttpResponseRedirect(reverse("keys:channels"))


def _check(request: HttpRequest, channel_id: int) -> None:
    """Refuse people who may not do it before they are asked to confirm who they are."""
    channel_for(actor_of(request), channel_id)
    require_fresh_sign_in(request, reverse("keys:channel", args=[channel_id]))


def _say(request: HttpRequest, failure: str, success: str) -> None:
    if failure:
        messages.error(request, f"It did not arrive. The channel {failure} The portal tries again later.")
    else:
        messages.success(request, success)


def _to_channel(channel_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("keys:channel", args=[channel_id]))
