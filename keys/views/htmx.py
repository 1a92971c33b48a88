"""Answers for htmx: a part of a page instead of all of it, and a redirect of the whole page."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request after django-htmx's middleware. For annotations only; Django makes the requests."""

    htmx: HtmxDetails


def split_address(address: str) -> SplitResult:
    """Return the parts of an address that a browser sent, or of an empty one if it cannot be read."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def render_part(
    request: HtmxHttpRequest,
    template: str,
    part: str,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """Render the partial ``part`` of ``template`` if htmx asks, else the whole page."""
    return render(request, f"{template}#{part}" if request.htmx else template, context, status=status)


def redirect_page(request: HtmxHttpRequest, url: str) -> HttpResponse:
    """Redirect the whole page, even if htmx asked for a part of it."""
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)
