"""Tell people by mail what was done with their second factors."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from keys.actions.people import throttle
from keys.models import User
from keys.models.factor import METHODS, codes_left
from keys.rules.permissions import Actor

IN_WORDS = {"app": "authenticator app", "passkey": "passkey", "recovery code": "recovery codes"}


def mail_added(request: HttpRequest, user: User, method: str, name: str = "") -> None:
    _mail("factor_added", request, user, what=IN_WORDS[method], name=name)


def mail_removed(request: HttpRequest, user: User, factor: Authenticator) -> None:
    what = IN_WORDS[METHODS[factor.type]]
    _mail("factor_removed", request, user, what=what, name=factor.data.get("name", ""))


def mail_codes_made(request: HttpRequest, user: User) -> None:
    _mail("recovery_codes_made", request, user)


def mail_recovery_code_used(request: HttpRequest, user: User, codes: Authenticator) -> None:
    _mail("recovery_code_used", request, user, left=codes_left(codes))


def mail_reset(request: HttpRequest, user: User, by: Actor, reason: str) -> None:
    """Tell ``user`` who removed their factors, with the address and browser of that person."""
    _mail("factors_reset", request, user, by=by, reason=reason)


def mail_wrong_code(request: HttpRequest, user: User) -> None:
    """Send at most one mail an hour: somebody knows the password or has the browser, but not the factor."""
    if throttle.admit_mail_about_code(user.pk):
        _mail("wrong_code", request, user)


def _mail(template: str, request: HttpRequest, user: User, **context: object) -> None:
    get_adapter(request).send_notification_mail(f"account/email/{template}", user, context)
