"""Enter a reading: the last use and the expiry that Cerby's web app shows for a key."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.actions.keys.enter_reading import Reading, enter_reading
from keys.forms.existing_key import refuse
from keys.forms.reading import ReadingForm
from keys.rules.errors import Invalid
from keys.selectors.key.page import key_page
from keys.selectors.key.paste import workspace_url
from keys.views.back import list_behind
from keys.views.people import actor_of


@require_http_methods(["GET", "HEAD", "POST"])
def reading(request: HttpRequest, key_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    page = key_page(actor, key_id)
    form = ReadingForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        data = form.cleaned_data
        read = Reading(data["last_used_moment"], data["never_used"], data["expires_date_moment"])
        try:
            key = enter_reading(actor, key_id, read)
        except Invalid as invalid:
            refuse(form, invalid)
        else:
            messages.success(request, f"Your reading of “{key}” is recorded.")
            return HttpResponseRedirect(list_behind(request) or reverse("keys:key", args=[key_id]))
    context = {
        "section": "keys",
        "page": page,
        "form": form,
        "back": list_behind(request),
        "cerby_url": workspace_url(),
        "keys_path": settings.CERBY_KEYS_PATH,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "keys/reading.html", context, status=status)
