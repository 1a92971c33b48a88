"""Person: their role history, keys and activity on one page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from keys.selectors.people import person_page
from keys.views.people import actor_of


@require_safe
def person(request: HttpRequest, user_id: int) -> HttpResponse:
    page = person_page(actor_of(request), user_id)
    return render(request, "keys/person.html", {"section": "activity", "page": page})
