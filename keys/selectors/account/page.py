"""Return a person's own account: their role, and when their password was changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keys.models import AuditEvent, SsoLink, User
from keys.rules.events import Event
from keys.rules.policy import Actor
from keys.selectors.account.sessions import LiveSession, live_sessions
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


def account_page(actor: Actor, *, here: str) -> Account:
    """Everybody may see their own account. ``here`` is the key of the row of the present session."""
    person = User.objects.get(pk=actor.user_id)
    return Account(
        person=person,
        role=person.role_in_words,
        has_password=person.has_usable_password(),
        password_changed_at=_password_changed_at(person),
        sessions=live_sessions(person, this=here),
        sso_links=sso_links_of(person.pk),
        why_not_unlink=why_not_unlink_own(person),
    )


def _password_changed_at(person: User) -> datetime | None:
    """Return when the person last changed their password or set it with a link."""
    kinds = [Event.PASSWORD_CHANGED.value, Event.PASSWORD_RESET.value]
    own = AuditEvent.objects.filter(actor_email=person.email, actor_id=person.pk)
    done = own.filter(type__in=kinds, outcome=AuditEvent.Outcome.DONE)
    return done.order_by("-at", "-id").values_list("at", flat=True).first()
