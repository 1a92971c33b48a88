"""The policy: each rule in words, and the keys that do not meet it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.selectors.policy.page import policy_page
from keys.views.people import actor_of


@require_safe
def policy(request: HttpRequest) -> HttpResponse:
    page = policy_page(actor_of(request), request.GET.get("rule", ""))
    return render(request, "keys/policy.html", {"section": "policy", "page": page})
