"""Return how a person is told of each kind of notification."""

from __future__ import annotations

from typing import Any

from keys.models import NotificationChoice
from keys.rules.notifications import FOR_PEOPLE, MUTABLE, How, Kind
from keys.selectors.inbox.calendar import calendar_made_at


def choices_of(user_id: int) -> dict[Kind, How]:
    """Return how the person is told of each kind that may be muted."""
    stored = dict(NotificationChoice.objects.filter(user_id=user_id).values_list("kind", "how"))
    return {kind: How(stored.get(kind, How.BOTH)) for kind in MUTABLE}


def notifications_section(user_id: int) -> dict[str, Any]:
    """Return what the section Notifications of Your account shows."""
    ways = [(how.value, how.label) for how in How]
    chosen = choices_of(user_id)
    return {
        "told": [
            {"kind": kind.value, "label": kind.label, "how": how.value, "ways": ways}
            for kind, how in chosen.items()
        ],
        "always": [kind.label for kind in FOR_PEOPLE if kind not in MUTABLE],
        "calendar_made_at": calendar_made_at(user_id),
    }
