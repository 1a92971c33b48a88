"""Posture: known risks of keys, and the controls of frameworks, with the pages that show them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.selectors.posture.page import posture_page
from keys.views.people import actor_of


@require_safe
def posture(request: HttpRequest) -> HttpResponse:
    context = {"section": "policy", "page": posture_page(actor_of(request))}
    return render(request, "keys/posture.html", context)
