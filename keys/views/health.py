"""Health: the background jobs as a page, and probes for whoever runs the portal."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from keys.jobs.health import health as jobs_health
from keys.jobs.health import late_jobs
from keys.selectors.audit import audit_health
from keys.views.people import actor_of


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    jobs = jobs_health(actor_of(request))
    context = {"section": "settings", "tab": "health", "health": jobs, "audit": audit_health()}
    return render(request, "keys/health.html", context)


@login_not_required
@require_safe
@never_cache
def livez(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Ready when the database answers and its tables are there; Cerby being down does not stop reading."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM keys_apikey LIMIT 1")
    except DatabaseError:
        return JsonResponse({"status": "the database does not answer"}, status=503)
    return JsonResponse({"status": "ok", "late_jobs": late_jobs(), "audit": audit_health().status})
