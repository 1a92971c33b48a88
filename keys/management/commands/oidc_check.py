"""``oidc_check``: test the settings of the sign-in provider, and say what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from keys.management.for_people import CommandForPeople
from keys.oidc.checkup import Finding, check_up
from keys.oidc.client import redirect_address
from keys.oidc.provider import provider_if_known
from keys.rules.formatting import in_utc
from keys.selectors.sso.link import newest_step_up

MARKS = {True: "ok", False: "PROBLEM", None: "unknown"}


class Command(CommandForPeople):
    help = "Test the settings PORTAL_OIDC_… with the sign-in provider. Nobody signs in."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"Register this redirect address at the provider: {redirect_address()}\n\n")
        findings = []
        for finding in check_up():
            findings.append(finding)
            self._write(finding)
        if provider_if_known() is not None:
            self._write(auth_time())
        if any(finding.ok is False for finding in findings):
            raise CommandError("Correct the problems above, restart the portal, and run this command again.")
        self.stdout.write(
            "\nNow sign in once with SSO, and confirm your identity once, for example before you "
            "generate a key."
        )

    def _write(self, finding: Finding) -> None:
        self.stdout.write(f"{MARKS[finding.ok]:<8} {finding.name}: {finding.words}")


def auth_time() -> Finding:
    """Say whether a step-up at the provider can work, and how the portal knows."""
    seen, provider = newest_step_up(), provider_if_known()
    instead = (
        "Without auth_time nobody can confirm their identity there: set PORTAL_STEP_UP=portal, and let "
        "people add "
        "a passkey or an authenticator app of the portal."
    )
    if seen is not None:
        at, is_missing = seen
        when = in_utc(at)
        if is_missing:
            return Finding(None, "auth_time", f"It was missing in the confirmation of {when}. {instead}")
        return Finding(True, "auth_time", f"The confirmation of {when} had it.")
    if settings.PORTAL_STEP_UP == "portal":
        return Finding(True, "auth_time", "It is not needed (PORTAL_STEP_UP=portal).")
    listed = provider.sends_auth_time if provider else None
    if listed is False:
        return Finding(None, "auth_time", f"The provider lists its claims without it. {instead}")
    words = "The provider lists it" if listed else "The provider does not list its claims"
    return Finding(None, "auth_time", f"{words}, but only a person who confirms their identity can prove it.")
