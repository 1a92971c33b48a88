"""Return a person's sign-in before the present one, and how many attempts have failed since then."""

from __future__ import annotations

from typing import Any

from keys.models import AuditEvent, User
from keys.rules.events import Event

MOST = 100
"""Failed attempts that are counted. The portal records at most one a minute after the first ones."""


def sign_in_before(person: User) -> dict[str, Any] | None:
    """Return the newest sign-in of ``person`` as a session stores it, or None before the first one.

    ``failures`` is the number of failed attempts since then, up to ``MOST``.
    """
    own = AuditEvent.objects.filter(actor_email=person.email, type=Event.SIGNED_IN)
    done = own.filter(outcome=AuditEvent.Outcome.DONE, actor_id=person.pk)
    newest = done.order_by("-at").values("at", "ip", "browser", "details").first()
    if newest is None:
        return None
    refused = own.filter(outcome=AuditEvent.Outcome.REFUSED, actor_id=person.pk, at__gt=newest["at"])
    details = refused.order_by("-at").values_list("details", flat=True)[:MOST]
    return {
        "at": newest["at"].timestamp(),
        "ip": newest["ip"],
        "browser": newest["browser"],
        "method": newest["details"].get("method", "password"),
        "failures": min(MOST, sum(1 + one.get("further_refusals", 0) for one in details)),
    }
