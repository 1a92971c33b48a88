"""People: the list, a person's page, and what admins do to a person's access."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from keys.actions.factors.reset import reset_factors
from keys.actions.people.add import add_person
from keys.actions.people.end_sessions import end_sessions
from keys.actions.people.password_link import password_link
from keys.actions.people.remove import remove_person
from keys.audit.guard import authorize
from keys.evidence.factor_rows import lacks_factors
from keys.forms.people import AddPersonForm, ReasonForm
from keys.jobs import mails
from keys.models import User
from keys.rules.errors import Conflict, Invalid, NotFound
from keys.rules.permissions import Action
from keys.selectors.people import person_for, person_page, who_may_reset
from keys.selectors.people_list import people_page
from keys.views.factor_mails import mail_reset
from keys.views.htmx import HtmxHttpRequest, render_part
from keys.views.people import actor_of, require_fresh_sign_in
from keys.views.secrecy import secret_page


@require_safe
def people(request: HtmxHttpRequest) -> HttpResponse:
    found = people_page(actor_of(request), request.GET)
    context = {"section": "people", "people": found, "params": request.GET}
    status = HTTPStatus.OK if found.form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return render_part(request, "keys/people.html", "table", context, status=status)


@require_safe
def person(request: HttpRequest, user_id: int) -> HttpResponse:
    page = person_page(actor_of(request), user_id)
    has_factors = page.factors.exist or lacks_factors(page.person)
    context = {"section": "people", "page": page, "may_reset": has_factors and not page.why_not_reset}
    if has_factors and page.why_not_reset:
        context["ask_to_reset"] = who_may_reset(page.person)
    return render(request, "keys/person.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@secret_page
@sensitive_variables()
def add(request: HttpRequest) -> HttpResponse:
    """Let a person sign in. Mail them the link to set a password, or show it once if no mail is set up."""
    actor = actor_of(request)
    authorize(actor, Action.ADD_PERSON)
    require_fresh_sign_in(request, reverse("keys:person-add"))
    initial = {"email": request.GET.get("email", "")}
    form = AddPersonForm(request.POST if request.method == "POST" else None, initial=initial)
    context = {"section": "people", "form": form, "mails": settings.PORTAL_SENDS_MAIL}
    if form.is_valid():
        try:
            how = "mailed" if settings.PORTAL_SENDS_MAIL else "shown"
            added = add_person(form.cleaned_data["email"], actor, link=how)
        except (Conflict, Invalid, NotFound) as error:
            form.add_error("email", error.sentence)
        else:
            needs_link = added.may_use_password and not added.has_usable_password()
            if needs_link and not settings.PORTAL_SENDS_MAIL:
                context |= {"added": added, "link": password_link(added)}
                return render(request, "keys/person_add.html", context)
            messages.success(request, f"{added.name} may sign in. {_how_to_sign_in(added)}")
            return HttpResponseRedirect(reverse("keys:person", args=[added.pk]))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "keys/person_add.html", context, status=status)


def _how_to_sign_in(added: User) -> str:
    """Mail a link to set a password, unless the person has one: a link would let its reader replace it."""
    if added.has_usable_password():
        return "Their earlier password works again."
    if not added.may_use_password and not settings.PORTAL_SENDS_MAIL:
        return f"Tell them: {mails.how_to_sign_in()}"
    mails.mail_first_link.enqueue(added.pk)
    if not added.may_use_password:
        return "A mail that says how is on its way to them."
    return "A link to set a password is on its way to them by mail."


@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask "Remove from the portal?" (GET), or remove the person (POST)."""
    subject = person_for(actor_of(request), user_id, Action.REMOVE_PERSON)
    require_fresh_sign_in(request, reverse("keys:person-remove", args=[user_id]))
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        removed = remove_person(subject.email, actor_of(request), reason=form.cleaned_data["reason"])
        messages.success(
            request, f"{removed.name} can no longer sign in. API keys that act as them still work."
        )
        return HttpResponseRedirect(reverse("keys:person", args=[user_id]))
    return _ask(request, "keys/person_remove.html", {"person": subject, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def sign_person_out(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask "End all sessions?" (GET), or end them (POST)."""
    subject = person_for(actor_of(request), user_id, Action.END_SESSIONS)
    require_fresh_sign_in(request, reverse("keys:person-sign-out", args=[user_id]))
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        ended = end_sessions(actor_of(request), user_id, reason=form.cleaned_data["reason"])
        if ended.pk != request.user.pk:
            mail = mails.rendered("account/email/sessions_ended", {"user": ended})
            mails.mail_notice.enqueue(ended.pk, *mail)
        messages.success(request, f"All sessions of {ended.name} have ended. They may sign in again.")
        return HttpResponseRedirect(reverse("keys:person", args=[user_id]))
    return _ask(request, "keys/person_sign_out.html", {"person": subject, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def reset_factors_of(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask "Reset the second factors?" (GET), or reset them (POST), and tell the person by mail."""
    actor = actor_of(request)
    subject = person_for(actor, user_id, Action.RESET_FACTORS)
    require_fresh_sign_in(request, reverse("keys:person-reset-factors", args=[user_id]))
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        mail_reset(request, reset_factors(actor, user_id, reason=reason), actor, reason)
        messages.success(
            request, f"The second factors of {subject.name} were removed, and their sessions have ended."
        )
        return HttpResponseRedirect(reverse("keys:person", args=[user_id]))
    return _ask(request, "keys/person_reset_factors.html", {"person": subject, "form": form})


def _ask(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    return render(request, template, {"section": "people"} | context, status=status)
