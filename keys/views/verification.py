"""Verify the record: start it, and see what the last verification found."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.jobs.verification import start as start_verification
from keys.selectors.verification import verifications
from keys.views.people import actor_of


@require_safe
def verification(request: HttpRequest) -> HttpResponse:
    context = {"section": "activity", "found": verifications(actor_of(request))}
    return render(request, "keys/verification.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    start_verification(actor_of(request))
    messages.success(request, "The record is being verified. Reload this page to see what was found.")
    return HttpResponseRedirect(reverse("keys:verification"))
