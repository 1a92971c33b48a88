"""Verify the audit log: start a verification, show the last result, and explain damage."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.audit.explain_damage import explain_damage
from keys.actions.audit.verify import request_verification
from keys.audit.guard import authorize
from keys.forms.audit import ExplanationForm
from keys.forms.existing_key import refuse
from keys.jobs import tasks
from keys.rules.errors import Conflict, Invalid
from keys.rules.permissions import Action
from keys.selectors.health.verification import verifications
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of, require_fresh_sign_in


@require_safe
def verification(request: HtmxHttpRequest) -> HttpResponse:
    return _page(request, ExplanationForm())


@require_POST
def start(request: HtmxHttpRequest) -> HttpResponse:
    request_verification(actor_of(request), tasks.verify_record.enqueue)
    return HttpResponseRedirect(reverse("keys:verification"))


@require_POST
def explain(request: HtmxHttpRequest) -> HttpResponse:
    authorize(actor_of(request), Action.EXPLAIN_DAMAGE)
    require_fresh_sign_in(request, reverse("keys:verification"))
    form = ExplanationForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        explain_damage(actor_of(request), **form.cleaned_data)
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, form, status=invalid.status)
    except Conflict as conflict:
        form.add_error(None, conflict.sentence)
        return _page(request, form, status=conflict.status)
    messages.success(request, "The explanation is now part of the audit log.")
    return HttpResponseRedirect(reverse("keys:verification"))


def _page(request: HtmxHttpRequest, form: ExplanationForm, status: int = 200) -> HttpResponse:
    context = {"section": "activity", "found": verifications(actor_of(request)), "form": form}
    return render_part(request, "keys/verification.html", "found", context, status=status)
