"""Workspace Configuration, General: the workspace and the rules of this portal."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.selectors.health.configuration import configuration
from keys.views.people import actor_of


@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    shown = configuration(actor_of(request))
    return render(
        request, "keys/settings.html", {"section": "settings", "tab": "general", "configuration": shown}
    )
