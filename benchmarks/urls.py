"""Define the portal's URLs, an empty page behind the same sign-in, and the admin."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from benchmarks.admin import site


def empty(request: HttpRequest) -> HttpResponse:
    return render(request, "benchmarks/empty.html", {"section": "settings"})


urlpatterns = [
    path("empty/", empty),
    path("admin/", site.urls),
    path("", include("portal.urls")),
]
