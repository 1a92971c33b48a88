"""If a person leaves: their keys, the plan for each key, and the offboarding pack."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from keys.actions.audit.export_evidence import export_offboarding
from keys.actions.leavers.ask import plan_or_ask
from keys.forms.bulk import ticked
from keys.forms.existing_key import refuse
from keys.forms.leaving import LeavingForm
from keys.rules.errors import CerbyError, Invalid
from keys.selectors.leavers.page import leaving_page
from keys.views.people import actor_of, require_fresh_sign_in


@require_http_methods(["GET", "HEAD", "POST"])
def leaving(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show the person's keys with the plan for each (GET), or plan the ticked ones (POST)."""
    if request.method != "POST":
        return _page(request, user_id)
    actor, form = actor_of(request), LeavingForm(request.POST)
    keys = ticked(request.POST.getlist("key"))
    page = leaving_page(actor, user_id)  # also checks that the actor may open it
    if not keys:
        form.add_error(None, "No key is selected. Select at least one.")
    if form.is_valid():
        try:
            reason = form.cleaned_data["reason"]
            count, asked = plan_or_ask(actor, page.person.pk, keys, form.plan(), reason=reason)
        except Invalid as invalid:
            refuse(form, invalid)
        except CerbyError as error:
            form.add_error(None, f"{error.sentence} Nothing was changed.")
        else:
            if asked is not None:
                messages.success(request, "The plan is recorded when another person has approved it.")
                return HttpResponseRedirect(reverse("keys:request", args=[asked.pk]))
            words = "The plan is recorded" if count else "Nothing has changed"
            messages.success(request, f"{words} for {count or len(keys)} key{'s' if len(keys) > 1 else ''}.")
            return HttpResponseRedirect(reverse("keys:leaving", args=[user_id]))
    return _page(request, user_id, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@require_POST
def pack(request: HttpRequest, user_id: int) -> HttpResponseBase:
    """Download the evidence about a leaver's keys."""
    require_fresh_sign_in(request, reverse("keys:leaving", args=[user_id]))
    found = export_offboarding(actor_of(request), user_id)
    response = StreamingHttpResponse(found, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{found.name}"'
    response["Cache-Control"] = "no-store, private"
    return response


def _page(
    request: HttpRequest, user_id: int, form: LeavingForm | None = None, *, status: int = HTTPStatus.OK
) -> HttpResponse:
    page = leaving_page(actor_of(request), user_id)
    chosen = set(request.POST.getlist("key")) if form else page.selected(request.GET.get("select", ""))
    form = form or LeavingForm(initial={"to": page.next_owner})
    context = {"section": "people", "page": page, "form": form, "chosen": chosen}
    return render(request, "keys/leaving.html", context, status=status)
