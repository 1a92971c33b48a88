"""Check the sign-in with SAML, and say what to enter at the provider."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys.rules.sso import uses_saml
from keys.rules.visible import visible
from keys.saml import check


class Command(BaseCommand):
    help = "Check the sign-in with SAML: metadata, certificates and clock. Say what to enter at the provider."

    def handle(self, *_: Any, **__: Any) -> None:
        if not uses_saml():
            raise CommandError("SAML is not configured: PORTAL_SAML_ISSUER is not set.")
        self.stdout.write("Enter at the provider:")
        for name, value in check.to_enter():
            if value:
                self.stdout.write(f"  {name}:\n    {value}")
        self.stdout.write("Checked here:")
        problems = 0
        for finding in check.check():
            problems += finding.is_problem
            self.stdout.write(visible(f"  {'PROBLEM' if finding.is_problem else 'ok'}: {finding.text}"))
        if problems:
            raise CommandError(f"Problems: {problems}. Each line above with PROBLEM says what to do.")
        self.stdout.write("Everything that can be checked from here is right. Now sign in once in a browser.")
