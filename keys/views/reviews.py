"""Reviews of keys: their list, and the form that starts one."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from keys.actions.reviews.start import Starting, start_review
from keys.audit.guard import authorize
from keys.forms.existing_key import refuse
from keys.forms.reviews import StartReviewForm
from keys.jobs import tasks
from keys.models import Selection
from keys.rules.errors import CerbyError, Invalid
from keys.rules.permissions import Action
from keys.selectors.bulk.selection import selection_for
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.reviews.table import reviews as list_of_reviews
from keys.views.people import actor_of


@require_safe
def reviews(request: HttpRequest) -> HttpResponse:
    found = list_of_reviews(actor_of(request), request.GET)
    return render(
        request,
        "keys/reviews.html",
        {"section": "reviews", "found": found, "page": found.page, "params": request.GET},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def start_one_review(request: HttpRequest) -> HttpResponse:
    """Show the form for the keys of the filter or of the selection in the address, or start the review."""
    authorize(actor_of(request), Action.START_REVIEW)
    if request.method != "POST":
        params = request.GET.copy()
        chosen = str(params.pop("selection", [""])[-1])
        first = {"query": params.urlencode()[:4000], "selection": chosen}
        return _page(request, StartReviewForm(initial=first), first["query"], _selection(request, chosen))
    form = StartReviewForm(request.POST)
    query, selection = request.POST.get("query", ""), _selection(request, request.POST.get("selection", ""))
    if form.is_valid():
        given = {
            name: form.cleaned_data[name] for name in ("name", "rationale", "due_on", "cadence", "named")
        }
        starting = Starting(**given, query=form.cleaned_data["query"], selection=selection)
        try:
            campaign = start_review(actor_of(request), starting, tasks.reviews.enqueue)
        except Invalid as invalid:
            refuse(form, invalid)
        except CerbyError as error:
            form.add_error(None, f"{error.sentence} Nothing was started.")
        else:
            messages.success(request, f"The review “{campaign.name}” is started. Its keys are being listed.")
            return HttpResponseRedirect(reverse("keys:review", args=[campaign.pk]))
    return _page(request, form, query, selection, HTTPStatus.UNPROCESSABLE_ENTITY)


def _selection(request: HttpRequest, text: str) -> Selection | None:
    form = StartReviewForm({"selection": text})
    form.is_valid()
    chosen = form.cleaned_data.get("selection")
    return selection_for(actor_of(request), chosen) if chosen else None


def _page(
    request: HttpRequest,
    form: StartReviewForm,
    query: str,
    selection: Selection | None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    wanted = InventoryFilter(QueryDict(query))
    words = wanted.in_words() if wanted.is_valid() else ""
    context = {"section": "reviews", "form": form, "selection": selection, "words": words}
    return render(request, "keys/reviews_start.html", context, status=status)
