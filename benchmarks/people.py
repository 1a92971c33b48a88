"""Who owns the keys: one who owns a third of them, a long tail, and one who is signed in."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime

from keys.models import User
from keys.rules.policy import Role

OWNERS = 300
BIG, SMALL = 0, OWNERS - 1
"""Positions: who owns 30 % of all keys, and who owns only a few."""

_FIRST = (
    "Ada",
    "Ben",
    "Chloe",
    "Dev",
    "Elif",
    "Finn",
    "Hana",
    "Ivan",
    "Jun",
    "Kofi",
    "Lena",
    "Noor",
    "Omar",
    "Yara",
)
_LAST = (
    "Abbott",
    "Becker",
    "Castro",
    "Dunn",
    "Fischer",
    "Haddad",
    "Ito",
    "Kaya",
    "Lund",
    "Novak",
    "Okafor",
    "Patel",
)


def add_people() -> list[User]:
    """All of them, the big owner first; they are workspace Owner (the first) and Admins."""
    now = datetime.now(tz=UTC)
    luck = random.Random(7)
    people = []
    for number in range(OWNERS):
        first, last = luck.choice(_FIRST), luck.choice(_LAST)
        people.append(
            User(
                email=f"{first}.{last}.{number}@contenzilla.example".lower(),
                name=f"{first} {last}",
                cerby_id=uuid.UUID(int=luck.getrandbits(128)),
                role=Role.OWNER if number == 0 else Role.ADMIN,
                role_checked_at=now,
                added_at=now,
                is_active=True,
                password="!",  # noqa: S106 - nobody's
            )
        )
    User.objects.bulk_create(people)
    return list(User.objects.order_by("pk"))


def weights() -> list[float]:
    """How many keys each owns, as shares that sum to 1; the small owner's are given out apart."""
    tail = [1 / rank for rank in range(2, OWNERS)]
    return [0.30, *(0.70 * share / sum(tail) for share in tail), 0.0]
