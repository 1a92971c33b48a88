"""Return the settings that admins may want to know, without secrets."""

from __future__ import annotations

from django.conf import settings

from keys.audit.guard import authorize
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.permissions import Action, Actor, KeyManagement

_MANAGEMENT = {
    KeyManagement.ADMINS: "Workspace Owners, Super Admins and Admins, and the key's owner",
    KeyManagement.OWNER_ONLY: "Only the key's owner",
}


_PASSWORDS = {
    PasswordSignIn.ON: "Yes",
    PasswordSignIn.OFF: "No",
    PasswordSignIn.BREAK_GLASS: "Only in emergencies, and only those whom PORTAL_BREAK_GLASS_EMAILS names",
}
_ISSUE_MODES = {
    "direct": "By Cerby, on the portal's request",
    "assisted": "By hand in Cerby's web app, and pasted here once",
}


def configuration(actor: Actor) -> list[tuple[str, str]]:
    """Return pairs of label and value. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_CONFIGURATION)
    return [
        ("Workspace", settings.CERBY_WORKSPACE),
        ("Cerby's address", settings.CERBY_BASE_URL),
        ("Keys are managed by", _MANAGEMENT[KeyManagement(settings.PORTAL_KEY_MANAGEMENT)]),
        ("New keys are created", _ISSUE_MODES[settings.CERBY_ISSUE_MODE]),
        ("Maximum lifetime of a key", f"{settings.PORTAL_MAX_LIFETIME_DAYS} days"),
        (
            "Scopes offered",
            "All known scopes" if settings.PORTAL_EXTRA_SCOPES else "The nine published by Cerby",
        ),
        ("Second factor required", _second_factor()),
        ("People sign in with a password", _PASSWORDS[PasswordSignIn(settings.PORTAL_PASSWORD_SIGN_IN)]),
        ("A sign-in lasts", "8 hours at most, 30 minutes without use"),
    ]


def _second_factor() -> str:
    who = {"nobody": "No", "admins": "For Owners, Super Admins and Admins", "everybody": "For everybody"}
    words = who[settings.PORTAL_MFA_REQUIRED]
    days = settings.PORTAL_MFA_GRACE_DAYS
    return words if words == "No" else f"{words}, {days} days after the portal asks for it"
