"""End a person's links with accounts of sign-in providers."""

from __future__ import annotations

from keys.audit import log
from keys.models import SsoLink, User
from keys.rules.events import Event
from keys.rules.policy import Actor


def unlink_person(user: User, actor: Actor | None, *, reason: str = "") -> None:
    """Delete the links of ``user`` in the caller's transaction. The next sign-in with SSO is a first one."""
    for link in SsoLink.objects.select_for_update().filter(user=user):
        log.append(
            Event.SSO_UNLINKED,
            actor=actor,
            reason=reason,
            person=str(user.pk),
            email=user.email,
            provider=link.issuer,
        )
        link.delete()
