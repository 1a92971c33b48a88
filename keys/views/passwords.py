"""The pages and forms with which people set their password."""

from __future__ import annotations

from typing import Any, cast

from allauth.account import views as allauth_views
from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from allauth.account.forms import ResetPasswordKeyForm as AllauthSetPasswordForm
from allauth.account.forms import UserTokenForm
from allauth.core import context
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic.edit import FormView

from keys.actions.people import throttle
from keys.jobs import mails
from keys.models import User
from keys.models.factor import has_factor
from keys.rules.password_sign_in import PasswordSignIn
from keys.views.accounts import no_passwords, record_throttled, record_wrong_password
from keys.views.known_browser import remember_browser
from keys.views.people import require_fresh_sign_in


def _in_sentence_case(form: Any) -> None:
    """Write the labels as all other pages do: django-allauth capitalises each word."""
    for field in form.fields.values():
        field.label = str(field.label).capitalize()


class SetPasswordForm(AllauthSetPasswordForm):  # type: ignore[misc]
    """The form behind a link to set a password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_sentence_case(self)


class ChangePasswordForm(AllauthChangePasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_sentence_case(self)

    def clean_oldpassword(self) -> str:
        """Check the current password. Wrong ones are recorded and limited, because this may be a guess."""
        request, user = context.request, self.user
        attempt = throttle.admit_confirmation(user.pk)
        if attempt is None:
            record_throttled(request, user.email)
            raise get_adapter().validation_error("too_many_login_attempts")
        stored = user.password
        with attempt:
            if not user.check_password(self.cleaned_data.get("oldpassword", "")):
                record_wrong_password(request, user.email)
                raise get_adapter().validation_error("enter_current_password")
            attempt.give_back()
        user.password = stored  # without a new hash of it, which only a sign-in stores
        return str(self.cleaned_data["oldpassword"])


class ResetPasswordForm(AllauthResetPasswordForm):  # type: ignore[misc]
    def save(self, request: HttpRequest, **_: Any) -> str:  # noqa: ARG002 - allauth's signature
        """Enqueue a mail. For an unknown address, the job finds nobody and sends nothing.

        Nobody sees whether a mail is sent: neither by the answer nor by the time that it takes.
        """
        email = str(self.cleaned_data["email"])
        if throttle.admit_link(email):
            users = [user.pk for user in self.users if user.may_use_password]
            mails.mail_password_link.enqueue(users[0] if users else 0)
        return email


@method_decorator([login_not_required, never_cache], name="dispatch")
class PasswordFromLink(allauth_views.PasswordResetFromKeyView):  # type: ignore[misc]
    """Set a password with a link, without a session.

    django-allauth keeps the link's token in the session, and signs out a person who opens the link of another
    person. Then any website could sign people out by sending them to its own link. This view keeps the
    token in the address: it works once, and no other site learns it (Referrer-Policy).
    """

    def dispatch(self, request: HttpRequest, uidb36: str, key: str, **kwargs: Any) -> HttpResponseBase:
        self.request, self.key = request, key
        if settings.PORTAL_PASSWORD_SIGN_IN == PasswordSignIn.OFF:
            return no_passwords(request)
        token_form = UserTokenForm(data={"uidb36": uidb36, "key": key})
        if not token_form.is_valid():
            self.reset_user = None
            return cast("HttpResponse", self.render_to_response(self.get_context_data(token_fail=True)))
        self.reset_user = token_form.reset_user
        if not self.reset_user.may_use_password:
            return no_passwords(request)
        return FormView.dispatch(self, request, uidb36, key, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password, and remember the browser, so that strangers' guesses lock nobody out here."""
        response = super().form_valid(form)
        remember_browser(self.request, response, cast("User", self.reset_user))
        return cast("HttpResponse", response)


password_from_link = PasswordFromLink.as_view()


@login_not_required
def reset_password(request: HttpRequest) -> HttpResponseBase:
    if settings.PORTAL_PASSWORD_SIGN_IN == PasswordSignIn.OFF:
        return no_passwords(request)
    return cast("HttpResponseBase", allauth_views.password_reset(request))


def password_change(request: HttpRequest) -> HttpResponseBase:
    """Change the password. A person with a second factor shows it first: a recovery code is not enough."""
    user = cast("User", request.user)
    if not user.may_use_password:
        return no_passwords(request)
    if has_factor(user.pk):
        require_fresh_sign_in(request, reverse("account_change_password"))
    return cast("HttpResponseBase", allauth_views.password_change(request))
