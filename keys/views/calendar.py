"""The calendar of a person's keys, at a secret address."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from keys.actions.inbox.calendar import end_calendar, make_calendar
from keys.selectors.inbox.calendar import calendar_of
from keys.views.people import actor_of
from keys.views.secrecy import secret_page


@login_not_required
@require_safe
@sensitive_variables()
def calendar(_request: HttpRequest, token: str) -> HttpResponse:
    """Answer a calendar program, which cannot sign in. The address is the secret."""
    text = calendar_of(token)
    if text is None:
        raise Http404
    response = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    response["Cache-Control"] = "no-store, private"
    return response


@require_POST
@secret_page
@sensitive_variables()
def make(request: HttpRequest) -> HttpResponse:
    """Show the new address in the answer, once."""
    address = f"{settings.PORTAL_URL}{reverse('keys:calendar', args=[make_calendar(actor_of(request))])}"
    return render(request, "keys/calendar.html", {"section": "account", "address": address})


@require_POST
def end_address(request: HttpRequest) -> HttpResponse:
    end_calendar(actor_of(request))
    messages.success(request, "The address of your calendar no longer works.")
    return HttpResponseRedirect(reverse("keys:account") + "#notifications")
