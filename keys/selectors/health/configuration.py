"""The settings that an admin may want to know, without the secret ones."""

from __future__ import annotations

from django.conf import settings

from keys.audit.guard import authorize
from keys.rules.policy import Action, Actor, KeyManagement

_MANAGEMENT = {
    KeyManagement.ADMINS: "Workspace Owners, Super Admins and Admins, and the key's own Owner",
    KeyManagement.OWNER_ONLY: "The key's own Owner alone",
}


_MADE = {
    "direct": "By the server, when the portal asks it",
    "assisted": "By hand in Cerby's web app, and pasted here once",
}


def configuration(actor: Actor) -> list[tuple[str, str]]:
    """Label and value pairs. Raises ``NotAllowed``."""
    authorize(actor, Action.SEE_CONFIGURATION)
    return [
        ("Workspace", settings.CERBY_WORKSPACE),
        ("Cerby's address", settings.CERBY_BASE_URL),
        ("Keys are managed by", _MANAGEMENT[KeyManagement(settings.PORTAL_KEY_MANAGEMENT)]),
        ("A new key is made", _MADE[settings.CERBY_ISSUE_MODE]),
        ("Longest life of a key", f"{settings.PORTAL_MAX_LIFETIME_DAYS} days"),
        (
            "Scopes offered",
            "All that are known" if settings.PORTAL_EXTRA_SCOPES else "The nine that Cerby publishes",
        ),
        ("A sign-in lasts", "8 hours at most, 30 minutes without use"),
    ]
