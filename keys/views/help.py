"""Help: the manual, for people who are signed in."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.selectors.help import help_index, help_page, image_path


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "keys/help.html", {"section": "help", "groups": help_index()})


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "keys/help.html", {"section": "help", "page": help_page(name)})


@require_safe
def image(request: HttpRequest, name: str) -> FileResponse:  # noqa: ARG001 - Django's signature
    return FileResponse(image_path(name).open("rb"), content_type="image/png")
