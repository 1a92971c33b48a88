"""Create the owners of keys: one with a third of them, a long tail, and a signed-in one."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime

from keys.models import User
from keys.rules.permissions import Role

OWNERS = 300
BIG, SMALL = 0, OWNERS - 1
"""Positions of the owner of 30 % of all keys and of an owner of a few."""

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
    """Return all people, the big owner first: the workspace Owner, then Admins."""
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
    """Return each person's share of the keys; the sum is 1. The small owner's keys are assigned apart."""
    tail = [1 / rank for rank in range(2, OWNERS)]
    return [0.30, *(0.70 * share / sum(tail) for share in tail), 0.0]
