"""Emergency: select all active keys of a team, system, vendor or agent, to stop them or for a drill."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.actions.bulk.freeze import freeze_matching
from keys.audit.guard import authorize
from keys.forms.emergency import EmergencyForm
from keys.models import Selection
from keys.rules.errors import Invalid
from keys.rules.permissions import Action
from keys.selectors.bulk.emergency import groups
from keys.views.people import actor_of

NOTHING = (
    "No active key or request for one matches. Check the spelling on the page API keys, which has the same "
    "filters."
)


@require_http_methods(["GET", "HEAD", "POST"])
def emergency(request: HttpRequest) -> HttpResponse:
    """Ask which keys to stop (GET), or freeze their list and show it (POST)."""
    actor = actor_of(request)
    authorize(actor, Action.STOP_KEYS)
    form = EmergencyForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())
    if form.is_valid():
        act = Selection.Act.DRILL if request.POST.get("drill") else Selection.Act.STOP
        try:
            selection = freeze_matching(actor, *form.params())
        except Invalid:
            form.add_error("name", NOTHING)
        else:
            return HttpResponseRedirect(reverse("keys:bulk", args=[selection.pk], query={"act": act.value}))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"section": "keys", "form": form, "groups": groups()}
    return render(request, "keys/emergency.html", context, status=status)
