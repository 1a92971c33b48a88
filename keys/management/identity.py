"""Let a person prove on a terminal who they are, with the same checks as on the pages."""

from __future__ import annotations

import sys
from getpass import getpass

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.factors.ask import grace_ends
from keys.actions.factors.use import use_code
from keys.actions.people import sign_in, throttle
from keys.models import User
from keys.models.factor import APP, METHODS, has_factor
from keys.rules.events import Event
from keys.rules.factors import Required, must_have_factor
from keys.rules.permissions import Actor, Role


class Identity:
    """The texts of a command: ``browser`` stands in the audit log instead of a browser.

    ``nothing``: such as "Nothing was deleted.". ``with_a_page``: what a person with a passkey does instead.
    """

    def __init__(self, browser: str, nothing: str, with_a_page: str) -> None:
        self.browser, self.nothing, self.with_a_page = browser, nothing, with_a_page

    @sensitive_variables()
    def signed_in(self, email: str) -> Actor:
        """Return the person if the password is right. Record that they proved who they are, or did not."""
        user = User.objects.filter(email=email).first()
        password = getpass(f"Password of {email} (not shown): ") if sys.stdin.isatty() else line("")
        if not self._is_right(user, password):
            sign_in.record_failure(email, Event.IDENTITY_CONFIRMED, ip="", browser=self.browser)
            raise CommandError(f"The email or the password is wrong. {self.nothing}")
        assert user is not None
        if reason := sign_in.why_refused(user):
            sign_in.record_refused(user, reason, ip="", browser=self.browser)
            raise CommandError(f"This person may not sign in to the portal. {self.nothing}")
        actor = user.as_actor(browser=self.browser)
        factor = self._second_factor(user, actor)
        for method in filter(None, ("password", factor)):
            sign_in.record_confirmation(actor, method=method)
        return actor

    @sensitive_variables()
    def _is_right(self, user: User | None, password: str) -> bool:
        """Return whether the password is right. Wrong ones count together with those on the pages."""
        if user is None:
            return False
        attempt = throttle.admit_confirmation(user.pk)
        if attempt is None:
            raise CommandError(f"There were too many wrong passwords. Wait a minute. {self.nothing}")
        with attempt:
            is_right = user.check_password(password)
            if is_right:
                attempt.give_back()
        return is_right

    @sensitive_variables()
    def _second_factor(self, user: User, actor: Actor) -> str:
        """Ask for the second factor, as the page does. Return its name, or "" if there is none."""
        if not has_factor(user.pk):
            is_asked = must_have_factor(Required(settings.PORTAL_MFA_REQUIRED), Role(user.role))
            if is_asked and user.factor_asked_at and timezone.now() >= grace_ends(user.factor_asked_at):
                raise CommandError(f"This person must add a second factor first. {self.nothing}")
            return ""
        code = line("Code of the authenticator app, or a recovery code: ")
        used = use_code(actor, code.strip(), recovery=True)
        if used is None:
            sign_in.record_failure(
                user.email, Event.IDENTITY_CONFIRMED, ip="", browser=self.browser, method=METHODS[APP]
            )
            raise CommandError(
                f"This code is wrong, or was used already. With a passkey alone, {self.with_a_page}. "
                f"{self.nothing}"
            )
        return METHODS[used.type]


def line(prompt: str) -> str:
    """Return a line of the standard input, without its end."""
    if prompt:
        sys.stdout.write(prompt)
        sys.stdout.flush()
    return sys.stdin.readline().rstrip("\r\n")
