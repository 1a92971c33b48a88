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
from keys.actions.requests.open import request_key
from keys.audit.guard import authorize
from keys.forms.existing_key import refuse
from keys.forms.new_key import DetailsForm, ScopesForm, length_of, request_of
from keys.forms.requests import AskForm
from keys.models import Pause, User
from keys.rules import formatting
from keys.rules.errors import (
    CerbyNeverReached,
    CerbyRefused,
    Conflict,
    Invalid,
    NeedsApproval,
    OutsidePolicy,
    RequestUsed,
)
from keys.rules.permissions import Action, Actor
from keys.validation.new_key import KeyRequest
from keys.views.htmx import HtmxHttpRequest, redirect_page, render_part
from keys.views.people import actor_of, require_fresh_sign_in

DIRECT_STEPS = ("Details", "Scopes", "Store")
ASSISTED_STEPS = ("Details", "Scopes", "Cerby", "Store")


@require_safe
def wizard(request: HtmxHttpRequest) -> HttpResponse:
    """Show page 1, empty."""
    authorize(actor_of(request), Action.REQUEST_KEY)
    require_fresh_sign_in(request, reverse("keys:wizard"))
    zone = cast("User", request.user).time_zone
    form = DetailsForm(initial={"id": uuid.uuid4(), "expiration": "1d", "time_zone": zone})
    return _page(request, step=1, form=form, fresh=True)


@require_POST
def details(request: HtmxHttpRequest) -> HttpResponse:
    """Go back from page 2 to page 1 and keep the input, with the ticked scopes."""
    authorize(actor_of(request), Action.REQUEST_KEY)
    form = DetailsForm(initial=request.POST.dict())
    return _page(request, step=1, form=form, kept=request.POST.getlist("scopes"))


@require_POST
def scopes(request: HtmxHttpRequest) -> HttpResponse:
    """Go from page 1 to page 2."""
    authorize(actor_of(request), Action.REQUEST_KEY)
    form = DetailsForm(request.POST)
    kept = request.POST.getlist("scopes")
    if not form.is_valid():
        return _page(request, step=1, form=form, kept=kept, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    chosen = ScopesForm(request.POST if kept else None)
    return _page(request, step=2, form=form, scopes=chosen, ask=_ask_always(request))


@require_POST
def generate(request: HtmxHttpRequest) -> HttpResponse:
    """Generate the key and go to page 3, which has its own URL."""
    authorize(actor_of(request), Action.REQUEST_KEY)
    require_fresh_sign_in(request, reverse("keys:wizard"))
    form, chosen = DetailsForm(request.POST), ScopesForm(request.POST)
    if not form.is_valid() or not chosen.is_valid():
        step, status = 2 if form.is_valid() else 1, HTTPStatus.UNPROCESSABLE_ENTITY
        kept = request.POST.getlist("scopes")
        more = {"scopes": chosen, "ask": _ask_always(request), "kept": kept}
        return _page(request, step=step, form=form, status=status, **more)
    if "reason" in request.POST or _ask_always(request):
        return _ask(request, form, chosen)
    try:
        address = _start(actor_of(request), request_of(form, chosen))
    except NeedsApproval as needed:
        return _page(request, step=2, form=form, scopes=chosen, ask=AskForm(), needed=needed)
    except Invalid as invalid:
        return _refused(request, form, chosen, invalid)
    except (CerbyRefused, CerbyNeverReached, RequestUsed) as refusal:
        again = _with_new_id(request)
        return _page(request, step=2, form=again, scopes=chosen, problem=refusal, status=refusal.status)
    return redirect_page(request, address)


def _refused(
    request: HtmxHttpRequest, form: DetailsForm, chosen: ScopesForm, invalid: Invalid
) -> HttpResponse:
    if isinstance(invalid, OutsidePolicy):
        return _outside(request, form, chosen, invalid)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, step=2, form=form, scopes=chosen, problem=invalid, status=status)


def _outside(
    request: HtmxHttpRequest,
    form: DetailsForm,
    chosen: ScopesForm,
    outside: OutsidePolicy,
    ask: AskForm | None = None,
) -> HttpResponse:
    """Show the refusals beside their fields: on page 1 if one of them is there, else on page 2."""
    is_about_details = outside.fields.keys() & form.fields.keys()
    for field, sentence in outside.fields.items():
        if field in chosen.fields:
            chosen.add_error(field, sentence)
        elif is_about_details:
            form.add_error(form.shown_field(field), sentence)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if is_about_details:
        return _page(request, step=1, form=form, kept=request.POST.getlist("scopes"), status=status)
    at_the_top = [sentence for field, sentence in outside.fields.items() if field not in chosen.fields]
    problem = OutsidePolicy(" ".join(at_the_top)) if at_the_top else None
    more = {"scopes": chosen, "problem": problem, "ask": ask or _ask_always(request)}
    return _page(request, step=2, form=form, status=status, **more)


def _start(actor: Actor, key_request: KeyRequest) -> str:
    """Issue the key, or record that a person will paste it. Return the URL of the next page."""
    if settings.CERBY_ISSUE_MODE == "assisted":
        return reverse("keys:paste", args=[await_paste(actor, key_request)])
    return reverse("keys:store", args=[issue_key(actor, key_request)])


def _ask_always(request: HtmxHttpRequest) -> AskForm | None:
    """Return the form for the reason if the person may not generate any key without approval."""
    return None if actor_of(request).may(Action.GENERATE_KEY) else AskForm()


def _ask(request: HtmxHttpRequest, form: DetailsForm, chosen: ScopesForm) -> HttpResponse:
    """Ask other people for their approval, or go on without it (break-glass), and lead to the request."""
    ask = AskForm(request.POST)
    if ask.is_valid():
        wanted = request_of(form, chosen)
        try:
            made = request_key(actor_of(request), wanted, lasts=length_of(form), **ask.cleaned_data)
        except OutsidePolicy as outside:
            return _outside(request, form, chosen, outside, ask)
        except Invalid as invalid:
            refuse(ask, invalid)
        except Conflict as conflict:
            ask.add_error(None, conflict.sentence)
        else:
            page = "keys:request-use" if made.is_break_glass else "keys:request"
            return redirect_page(request, reverse(page, args=[made.pk]))
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, step=2, form=form, scopes=chosen, ask=ask, status=status)


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
