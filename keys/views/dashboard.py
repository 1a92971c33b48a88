"""Dashboard: the start page of admins. Other people are redirected to a page that they may see."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from keys.rules.permissions import Action
from keys.selectors.dashboard.page import dashboard_page
from keys.selectors.health.alerts import alerts_shown
from keys.selectors.health.audit_log import audit_health
from keys.selectors.mine.page import has_keys
from keys.views.people import actor_of


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if not actor.may(Action.SEE_INVENTORY):
        return redirect("keys:mine" if has_keys(actor.user_id) else "keys:roles")
    audit = audit_health()
    shown = {"board": dashboard_page(actor, audit), "alerts": alerts_shown(actor, audit)}
    return render(request, "keys/dashboard.html", {"section": "dashboard", **shown})
