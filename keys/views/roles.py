"""Roles: the current role matrix, and the refresh of all roles from Cerby."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.people.refresh_all import refresh_everyone
from keys.rules.permissions import Action
from keys.selectors.factors.people import factors_of_admins
from keys.selectors.people import role_matrix, role_names, unknown_roles, whom_to_ask
from keys.views.people import actor_of


@require_safe
def roles(request: HttpRequest) -> HttpResponse:
    context = {
        "section": "settings",
        "tab": "roles",
        "matrix": role_matrix(),
        "ask": whom_to_ask(),
        "unknown_roles": unknown_roles(),
        "role_names": role_names(),
        "factors": factors_of_admins(actor_of(request)),
        "may_refresh": actor_of(request).may(Action.REFRESH_ROLES),
    }
    return render(request, "keys/roles.html", context)


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    count = refresh_everyone(actor_of(request))
    messages.success(request, f"The roles of {count} people now match Cerby.")
    return HttpResponseRedirect(reverse("keys:roles"))
