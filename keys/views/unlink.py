"""Unlink a person from SSO: another one, or oneself."""

from __future__ import annotations

from http import HTTPStatus

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys.actions.people.unlink_sso import unlink_own_sso, unlink_sso
from keys.forms.people import ReasonForm
from keys.rules.permissions import Action
from keys.selectors.account.page import account_page
from keys.selectors.people import person_for
from keys.selectors.sso.link import sso_links_of
from keys.views.people import actor_of, require_fresh_sign_in, session_row


@require_http_methods(["GET", "HEAD", "POST"])
def unlink_own(request: HttpRequest) -> HttpResponse:
    """Ask "Unlink SSO?" (GET), or unlink oneself (POST). Say so if no other way to sign in remains."""
    require_fresh_sign_in(request, reverse("keys:unlink"))
    if request.method == "POST":
        user = unlink_own_sso(actor_of(request))
        get_adapter(request).send_notification_mail("account/email/sso_unlinked", user)
        messages.success(request, "Your account is no longer linked with SSO.")
        return HttpResponseRedirect(reverse("keys:account"))
    page = account_page(actor_of(request), here=session_row(request))
    why_not = page.why_not_unlink if page.sso_links else "Your account is not linked with SSO."
    context = {"section": "account", "person": page.person, "links": page.sso_links, "why_not": why_not}
    return render(request, "keys/unlink.html", context | {"own": True})


@require_http_methods(["GET", "HEAD", "POST"])
def unlink_person(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask "Unlink from SSO?" (GET), or unlink the person (POST), and tell them by mail."""
    actor = actor_of(request)
    subject = person_for(actor, user_id, Action.UNLINK_SSO)
    require_fresh_sign_in(request, reverse("keys:person-unlink", args=[user_id]))
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        user = unlink_sso(actor, user_id, reason=reason)
        told = {"by": actor, "reason": reason}
        get_adapter(request).send_notification_mail("account/email/sso_unlinked_by_admin", user, told)
        messages.success(request, f"{user.name} is no longer linked with SSO, and their sessions have ended.")
        return HttpResponseRedirect(reverse("keys:person", args=[user_id]))
    links = sso_links_of(user_id)
    why_not = "" if links else f"{subject.name} is not linked with SSO."
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"section": "people", "person": subject, "links": links, "form": form, "why_not": why_not}
    return render(request, "keys/unlink.html", context, status=status)
