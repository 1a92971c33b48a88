"""Evidence pack: choose a period and download its keys, events, roles and proofs."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from keys.actions.audit.export_evidence import export_evidence
from keys.audit.guard import authorize
from keys.forms.audit import EvidenceForm
from keys.forms.existing_key import refuse
from keys.rules.errors import Invalid
from keys.rules.permissions import Action
from keys.views.people import actor_of, require_fresh_sign_in


@require_safe
def evidence(request: HttpRequest) -> HttpResponse:
    authorize(actor_of(request), Action.EXPORT_EVIDENCE)
    return _page(request, EvidenceForm())


@require_POST
def download(request: HttpRequest) -> HttpResponseBase:
    form = EvidenceForm(request.POST)
    authorize(actor_of(request), Action.EXPORT_EVIDENCE)
    require_fresh_sign_in(request, reverse("keys:evidence"))
    if not form.is_valid():
        return _page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        pack = export_evidence(actor_of(request), *form.period())
    except Invalid as invalid:
        refuse(form, invalid)
        return _page(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    response = StreamingHttpResponse(pack, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{pack.name}"'
    response["Cache-Control"] = "no-store, private"
    return response


def _page(request: HttpRequest, form: EvidenceForm, status: int = 200) -> HttpResponse:
    return render(request, "keys/evidence.html", {"section": "activity", "form": form}, status=status)
