"""My keys: the keys that a person owns or answers for, and what is due. The start page of most people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.selectors.mine.page import my_keys
from keys.views.people import actor_of


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    return render(request, "keys/mine.html", {"section": "mine", "mine": my_keys(actor_of(request))})
