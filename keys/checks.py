"""Check the configuration when the portal starts."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks  # noqa: A004
from django.db import Error as DatabaseError

from keys import cerby
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.sso import issuer
from keys.selectors.factors.people import somebody_has_a_passkey
from keys.selectors.people import unknown_emails
from portal.conf import Environment

SHORTEST_SECRET_KEY = 50
"""Characters. Django only warns about a shorter one (security.W009)."""


def end_if_refused() -> None:
    """End the process, with the sentences alone, if ``manage.py check --deploy`` refuses the settings."""
    found = [one for one in run_checks(include_deployment_checks=True) if one.is_serious()]
    refused = [one for one in found if not one.is_silenced()]
    if refused:
        sys.exit("\n".join(" ".join(filter(None, (one.msg, one.hint))) for one in refused))


@register(Tags.security)
def sandbox_is_not_production(**_: Any) -> list[CheckMessage]:
    """Report a production portal that uses the sandbox, whose keys open nothing real."""
    if (
        settings.PORTAL_ENV == Environment.DEMO
        or settings.PORTAL_ALLOW_SANDBOX
        or not settings.PORTAL_IS_SANDBOX
    ):
        return []
    return [
        Error(
            f"CERBY_BASE_URL is {settings.CERBY_BASE_URL}, a sandbox, but PORTAL_ENV is production.",
            hint="Set CERBY_BASE_URL to your workspace, or PORTAL_ALLOW_SANDBOX=true to use the sandbox.",
            id="keys.E001",
        )
    ]


@register(Tags.security)
def cerby_can_be_asked(**_: Any) -> list[CheckMessage]:
    """Report an address or a credential with which no request can be sent."""
    try:
        if settings.CERBY_BASE_URL:
            cerby.connect()
    except ValueError as unusable:
        return [Error(str(unusable), id="keys.E006")]
    return []


@register(Tags.security)
def provider_is_configured(**_: Any) -> list[CheckMessage]:
    """Report settings of the sign-in provider with which nobody can sign in or confirm their identity."""
    if settings.PORTAL_OIDC_ISSUER and not settings.PORTAL_OIDC_CLIENT_ID:
        hint = "Register the portal at the provider: docs/sign-in.md."
        return [
            Error("PORTAL_OIDC_ISSUER is set, but PORTAL_OIDC_CLIENT_ID is not.", hint=hint, id="keys.E008")
        ]
    return []


@register(Tags.security)
def production_is_configured(**_: Any) -> list[CheckMessage]:
    if settings.PORTAL_ENV == Environment.DEMO:
        return []
    missing = [
        name
        for name, value in {
            "PORTAL_URL": settings.PORTAL_URL,
            "CERBY_BASE_URL": settings.CERBY_BASE_URL,
            "CERBY_WORKSPACE": settings.CERBY_WORKSPACE,
            "PORTAL_AUDIT_SIGNING_KEY": settings.PORTAL_AUDIT_SIGNING_KEY,
            "CERBY_TOKEN or CERBY_API_KEY": settings.CERBY_TOKEN or settings.CERBY_API_KEY,
        }.items()
        if not value
    ]
    errors: list[CheckMessage] = []
    if missing:
        errors.append(Error(f"{', '.join(missing)} must be set in production.", id="keys.E002"))
    if settings.PORTAL_URL and urlsplit(settings.PORTAL_URL).scheme != "https":
        message = f"PORTAL_URL is {settings.PORTAL_URL}; it must begin with https:// in production."
        errors.append(Error(message, id="keys.E003"))
    if settings.EMAIL_BACKEND == "django.core.mail.backends.console.EmailBackend":
        errors.append(
            Error(
                "PORTAL_EMAIL_URL must be set in production; otherwise mails with links go to the log.",
                id="keys.E004",
            )
        )
    if len(settings.SECRET_KEY) < SHORTEST_SECRET_KEY:
        errors.append(
            Error(
                f"PORTAL_SECRET_KEY has fewer than {SHORTEST_SECRET_KEY} characters, so it can be guessed.",
                hint="docs/configuration.md shows how to create one.",
                id="keys.E005",
            )
        )
    return errors


@register(Tags.security)
def somebody_can_sign_in(**_: Any) -> list[CheckMessage]:
    """Report a mode of passwords that locks everybody out, or an emergency for which nobody is named."""
    mode, named = settings.PORTAL_PASSWORD_SIGN_IN, settings.PORTAL_BREAK_GLASS_EMAILS
    if mode == PasswordSignIn.BREAK_GLASS:
        return _break_glass(named)
    if mode == PasswordSignIn.ON or issuer():
        return []
    if "webauthn" not in getattr(settings, "MFA_SUPPORTED_TYPES", ()) or not _somebody_has_a_passkey():
        return [
            Error(
                "PORTAL_PASSWORD_SIGN_IN is off, but there is no other way to sign in: there is no sign-in "
                "provider, and no Owner or Super Admin who may sign in has a passkey.",
                hint="Set PORTAL_OIDC_ISSUER or PORTAL_SAML_ISSUER, or add a passkey with "
                "PORTAL_PASSWORD_SIGN_IN=on first.",
                id="keys.E007",
            )
        ]
    return [
        Warning(
            "PORTAL_PASSWORD_SIGN_IN is off and there is no sign-in provider, so only people who have a "
            "passkey already can sign in, and nobody who is new.",
            hint="Set PORTAL_OIDC_ISSUER or PORTAL_SAML_ISSUER, or PORTAL_PASSWORD_SIGN_IN=break-glass.",
            id="keys.W001",
        )
    ]


def _somebody_has_a_passkey() -> bool:
    """Return whether an Owner or Super Admin can sign in with a passkey, or the database cannot say."""
    try:
        return somebody_has_a_passkey()
    except DatabaseError:  # it is away, or not migrated yet
        return True


def _break_glass(named: tuple[str, ...]) -> list[CheckMessage]:
    if not named:
        return [
            Error(
                "PORTAL_PASSWORD_SIGN_IN is break-glass, but PORTAL_BREAK_GLASS_EMAILS names nobody.",
                id="keys.E010",
            )
        ]
    try:
        unknown = unknown_emails(named)
    except DatabaseError:  # it is away, or not migrated yet
        return []
    if not unknown:
        return []
    return [
        Error(
            f"PORTAL_BREAK_GLASS_EMAILS names {', '.join(unknown)}, whom the portal does not know.",
            hint="Check the spelling, or add them with PORTAL_PASSWORD_SIGN_IN=on first.",
            id="keys.E009",
        )
    ]
