"""Health: a page about background jobs and safeguards, and probes for monitoring."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from keys.actions.safeguards.quarantine import end_quarantine
from keys.jobs.health import jobs_health
from keys.selectors.health.alerts import SHOWN_IN_SECTIONS, alerts_shown
from keys.selectors.health.anchors import anchors_health
from keys.selectors.health.audit_log import audit_health
from keys.selectors.health.nodes import nodes_health
from keys.selectors.health.peppers import peppers
from keys.selectors.health.readiness import held_back_by, not_ready
from keys.selectors.health.safeguards import safeguards
from keys.selectors.health.siem import siem_health
from keys.selectors.health.worker import late_jobs
from keys.views.people import actor_of, require_fresh_sign_in


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    actor, audit = actor_of(request), audit_health()
    shown = {
        "health": jobs_health(actor),
        "safeguards": safeguards(actor),
        "alerts": alerts_shown(actor, audit, exclude=SHOWN_IN_SECTIONS),
        "peppers": peppers(),
        "audit": audit,
        "anchors": anchors_health(),
        "nodes": nodes_health(),
        "siem": siem_health(),
    }
    return render(request, "keys/health.html", {"section": "settings", "tab": "health", **shown})


@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """End the quarantine."""
    require_fresh_sign_in(request, reverse("keys:health"))
    held = end_quarantine(actor_of(request))
    messages.success(
        request, f"The quarantine is over. Keys that the next comparison with Cerby may delete: {held}."
    )
    return HttpResponseRedirect(reverse("keys:health"))


@login_not_required
@require_safe
@never_cache
def livez(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database is available and this node can write events. Reading works without Cerby.

    ``status`` says what holds the portal back on all nodes, because people can still use it then.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM keys_apikey LIMIT 1")
    except DatabaseError:
        return JsonResponse({"status": "the database does not answer"}, status=503)
    if sentence := not_ready():
        return JsonResponse({"status": sentence}, status=503)
    status = held_back_by() or "ok"
    return JsonResponse(
        {"status": status, "late_jobs": late_jobs(timezone.now()), "audit": audit_health().status}
    )
