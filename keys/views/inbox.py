"""Waiting for you: a person's tasks and messages."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.inbox.finish import finish, read_all
from keys.selectors.inbox.page import inbox_page
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of


@require_safe
def inbox(request: HtmxHttpRequest) -> HttpResponse:
    found = inbox_page(actor_of(request), request.GET)
    context = {"section": "inbox", "inbox": found, "params": request.GET}
    status = HTTPStatus.OK if found.form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return render_part(request, "keys/inbox.html", "table", context, status=status)


@require_POST
def mark_done(request: HtmxHttpRequest, item_id: int) -> HttpResponse:
    item = finish(actor_of(request), item_id)
    messages.success(
        request, "The task is marked as done." if item.is_task else "The message is marked as read."
    )
    return HttpResponseRedirect(reverse("keys:inbox", query=request.GET))


@require_POST
def all_read(request: HtmxHttpRequest) -> HttpResponse:
    count = read_all(actor_of(request))
    read = "1 message is marked as read." if count == 1 else f"{count:,} messages are marked as read."
    messages.success(request, read if count else "There was no unread message.")
    return HttpResponseRedirect(reverse("keys:inbox"))
