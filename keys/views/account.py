"""Your account: what the portal knows about a person, how they sign in, and how they see times."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from keys.actions.inbox.choose import choose_notifications
from keys.actions.people.choose_time_zone import choose_time_zone
from keys.actions.people.sign_out_elsewhere import sign_out_elsewhere
from keys.forms.account import TimeZoneForm
from keys.models.session import BEFORE
from keys.rules.notifications import MUTABLE
from keys.rules.time_zones import known_zone
from keys.selectors.account.page import Account, account_page
from keys.selectors.factors.page import factors_of
from keys.selectors.inbox.choices import notifications_section
from keys.views.people import actor_of, session_row


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    page = _account(request)
    chosen = known_zone(page.person.time_zone)
    form = TimeZoneForm(browser=_browsers_zone(request), initial={"time_zone": chosen.key if chosen else ""})
    return _page(request, page, form)


@require_POST
def time_zone(request: HttpRequest) -> HttpResponse:
    form = TimeZoneForm(request.POST, browser=_browsers_zone(request))
    if not form.is_valid():
        page = _account(request)
        return _page(request, page, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    name = form.cleaned_data["time_zone"]
    choose_time_zone(actor_of(request), name)
    messages.success(
        request, f"Times are shown in {f'the time zone {name}' if name else 'the time zone of your browser'}."
    )
    return HttpResponseRedirect(reverse("keys:account"))


@require_POST
def end_session(request: HttpRequest, handle: UUID) -> HttpResponse:
    count = sign_out_elsewhere(actor_of(request), here=session_row(request), only=handle)
    messages.success(request, "That session has ended." if count else "That session had ended already.")
    return HttpResponseRedirect(reverse("keys:account"))


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    count = sign_out_elsewhere(actor_of(request), here=session_row(request))
    ended = "1 other session has ended." if count == 1 else f"{count} other sessions have ended."
    messages.success(request, ended if count else "There was no other session.")
    return HttpResponseRedirect(reverse("keys:account"))


def _account(request: HttpRequest) -> Account:
    return account_page(actor_of(request), here=session_row(request), before=request.session.get(BEFORE))


@require_POST
def notifications(request: HttpRequest) -> HttpResponse:
    chosen = {kind.value: request.POST[kind.value] for kind in MUTABLE if kind.value in request.POST}
    choose_notifications(actor_of(request), chosen)
    messages.success(request, "Your choice is saved.")
    return HttpResponseRedirect(reverse("keys:account") + "#notifications")


def _page(
    request: HttpRequest, page: Account, form: TimeZoneForm, status: HTTPStatus = HTTPStatus.OK
) -> HttpResponse:
    context = {
        "section": "account",
        "account": page,
        "form": form,
        "organisation_zone": timezone.get_default_timezone_name(),
        "now": timezone.now(),
    }
    context["factors"] = factors_of(page.person.pk)
    context |= notifications_section(page.person.pk)
    return render(request, "keys/account.html", context, status=status)


def _browsers_zone(request: HttpRequest) -> str:
    """Return the zone that the browser reports, or "" if it reports none that the portal knows."""
    zone = known_zone(request.COOKIES.get(settings.TIME_ZONE_COOKIE_NAME, ""))
    return zone.key if zone else ""
