"""Guide a person who must have a second factor to their first one."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from keys.models.factor import has_factor
from keys.views.people import actor_of


@require_safe
def enrol(request: HttpRequest) -> HttpResponse:
    """Offer the two kinds of factors. Lead to Your account if the person has one."""
    if has_factor(actor_of(request).user_id):
        return HttpResponseRedirect(reverse("keys:account"))
    until = getattr(request, "factor_until", None)
    context = {
        "section": "account",
        "tab": "enrol",
        "until": until,
        "is_over": until is not None and until <= timezone.now(),
        "required": settings.PORTAL_MFA_REQUIRED if until else "nobody",
    }
    return render(request, "keys/enrol.html", context)
