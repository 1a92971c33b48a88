"""Generate API key: the wizard's first two pages."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from keys.actions.keys.await_paste import await_paste
from keys.actions.keys.issue import issue_key
from keys.audit.guard import authorize
from keys.forms.new_key import DetailsForm, ScopesForm, request_of
from keys.models import Pause, User
from keys.rules import formatting
from keys.rules.errors import CerbyNeverReached, CerbyRefused, Invalid, RequestUsed
from keys.rules.permissions import Action, Actor
from keys.validation.new_key import KeyRequest
from keys.views.htmx import HtmxHttpRequest, redirect_page, render_part
from keys.views.people import actor_of, require_fresh_sign_in

DIRECT_STEPS = ("Details", "Scopes", "Store")
ASSISTED_STEPS = ("Details", "Scopes", "Cerby", "Store")


@require_safe
def wizard(request: HtmxHttpRequest) -> HttpResponse:
    """Show page 1, empty."""
    authorize(actor_of(request), Action.GENERATE_KEY)
    require_fresh_sign_in(request, reverse("keys:wizard"))
    zone = cast("User", request.user).time_zone
    form = DetailsForm(initial={"id": uuid.uuid4(), "expiration": "1d", "time_zone": zone})
    return _page(request, step=1, form=form, fresh=True)


@require_POST
def details(request: HtmxHttpRequest) -> HttpResponse:
    """Go back from page 2 to page 1 and keep the input."""
    authorize(actor_of(request), Action.GENERATE_KEY)
    return _page(request, step=1, form=DetailsForm(initial=request.POST.dict()))


@require_POST
def scopes(request: HtmxHttpRequest) -> HttpResponse:
    """Go from page 1 to page 2."""
    authorize(actor_of(request), Action.GENERATE_KEY)
    form = DetailsForm(request.POST)
    if not form.is_valid():
        return _page(request, step=1, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _page(request, step=2, form=form, scopes=ScopesForm())


@require_POST
def generate(request: HtmxHttpRequest) -> HttpResponse:
    """Generate the key and go to page 3, which has its own URL."""
    authorize(actor_of(request), Action.GENERATE_KEY)
    require_fresh_sign_in(request, reverse("keys:wizard"))
    form, chosen = DetailsForm(request.POST), ScopesForm(request.POST)
    if not form.is_valid():
        return _page(request, step=1, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if not chosen.is_valid():
        return _page(request, step=2, form=form, scopes=chosen, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        address = _start(actor_of(request), request_of(form, chosen))
    except Invalid as invalid:
        return _page(
            request, step=2, form=form, scopes=chosen, problem=invalid, status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    except (CerbyRefused, CerbyNeverReached, RequestUsed) as refusal:
        again = _with_new_id(request)
        return _page(request, step=2, form=again, scopes=chosen, problem=refusal, status=refusal.status)
    return redirect_page(request, address)


def _start(actor: Actor, key_request: KeyRequest) -> str:
    """Issue the key, or record that a person will paste it. Return the URL of the next page."""
    if settings.CERBY_ISSUE_MODE == "assisted":
        return reverse("keys:paste", args=[await_paste(actor, key_request)])
    return reverse("keys:store", args=[issue_key(actor, key_request)])


def _with_new_id(request: HtmxHttpRequest) -> DetailsForm:
    """Return the form with the same input and a new id, because each id serves only one request."""
    data = request.POST.copy()
    data["id"] = str(uuid.uuid4())
    data["tab_key"] = ""
    form = DetailsForm(data)
    form.is_valid()
    return form


def _page(
    request: HtmxHttpRequest, *, step: int, form: DetailsForm, status: int = 200, **more: Any
) -> HttpResponse:
    until = Pause.active_until() if settings.CERBY_ISSUE_MODE == "direct" else None
    paused = formatting.clock(until) if until else ""
    assisted = settings.CERBY_ISSUE_MODE == "assisted"
    context = {
        "section": "keys",
        "step": step,
        "form": form,
        "paused": paused,
        "assisted": assisted,
        "steps": ASSISTED_STEPS if assisted else DIRECT_STEPS,
        **more,
    }
    expires_at = form.cleaned_data.get("expires_at") if step == 2 else None  # noqa: PLR2004 - the second page
    if expires_at:
        context["expires"] = formatting.spoken(expires_at, timezone.now())
    return render_part(request, "keys/wizard.html", "step", context, status=status)
