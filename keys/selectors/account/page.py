"""Return a person's own account: their role, and when their password was changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keys.models import AuditEvent, SsoLink, User
from keys.rules.events import Event
from keys.rules.permissions import Actor
from keys.selectors.account.sessions import LiveSession, live_sessions
from keys.selectors.account.sign_ins import MOST
from keys.selectors.sso.link import sso_links_of, why_not_unlink_own


@dataclass(frozen=True)
class Account:
    """``password_changed_at`` is None if the audit log has no such event."""

    person: User
    role: str
    has_password: bool
    password_changed_at: datetime | None
    sessions: list[LiveSession]
    sso_links: list[SsoLink]
    why_not_unlink: str
    before: Before | None


WORDS = {"sso": "SSO", "app": "authenticator app"}


@dataclass(frozen=True)
class Before:
    """The sign-in before the present one. ``failures``: attempts since then, ``most`` or more if so many."""

    at: datetime
    ip: str
    browser: str
    method: str
    failures: int
    most: int = MOST

    @property
    def how(self) -> str:
        """Return ``method``, as events record it, in the words of the list of sessions."""
        return " and ".join(WORDS.get(one, one) for one in self.method.split(" and "))


def account_page(actor: Actor, *, here: str, before: dict[str, Any] | None = None) -> Account:
    """Everybody may see their own account. ``here`` is the key of the row of the present session.

    ``before`` is what the session stores of the sign-in before it, if that is wanted.
    """
    person = User.objects.get(pk=actor.user_id)
    return Account(
        person=person,
        role=person.role_in_words,
        has_password=person.has_usable_password(),
        password_changed_at=_password_changed_at(person),
        sessions=live_sessions(person, this=here),
        sso_links=sso_links_of(person.pk),
        why_not_unlink=why_not_unlink_own(person),
        before=Before(**before | {"at": datetime.fromtimestamp(before["at"], tz=UTC)}) if before else None,
    )


def _password_changed_at(person: User) -> datetime | None:
    """Return when the person last changed their password or set it with a link."""
    own = AuditEvent.objects.filter(actor_email=person.email, actor_id=person.pk)
    done = own.filter(outcome=AuditEvent.Outcome.DONE)
    # One query for each type, because then an index leads to the newest event.
    kinds = (done.filter(type=kind) for kind in (Event.PASSWORD_CHANGED, Event.PASSWORD_RESET))
    newest = (found.order_by("-at").values_list("at", flat=True).first() for found in kinds)
    return max(filter(None, newest), default=None)
