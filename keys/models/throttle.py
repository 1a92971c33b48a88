"""Limit how often something may happen, in all processes together."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from django.db import models, transaction
from django.db.models import F
from django.utils.crypto import salted_hmac


@dataclass(frozen=True)
class Budget:
    """``burst`` attempts at once, then one every ``seconds``.

    An attempt that would have to wait at most ``patience`` seconds waits. Any other is refused.
    """

    burst: int
    seconds: float
    patience: float = 0


class ThrottleManager(models.Manager["Throttle"]):
    def locked(self, name: str) -> Throttle:
        """Return the row with this ``name``, created if necessary, and lock it until the transaction ends.

        The lock makes simultaneous requests in all processes take turns.
        """
        while True:
            self.bulk_create([Throttle(name=name)], ignore_conflicts=True)
            row = self.select_for_update().filter(pk=name).first()
            if row is not None:  # else ``forget_old`` deleted an old row in between
                return row

    def take(self, name: str, budget: Budget) -> float | None:
        """Take one attempt. Return the seconds to wait for it, or None if there were too many."""
        with transaction.atomic():
            row = self.locked(name)
            now = time.time()
            # No later time is the portal's, unless the clock was set back: it would refuse for ever.
            latest = now + budget.patience + budget.burst * budget.seconds
            busy_until = min(max(row.busy_until, now), latest)
            wait = max(0.0, busy_until - now - (budget.burst - 1) * budget.seconds)
            if wait > budget.patience:
                self.filter(pk=name, busy_until__gt=latest).update(busy_until=latest)
                return None
            self.filter(pk=name).update(busy_until=busy_until + budget.seconds)
        return wait

    def give_back(self, name: str, budget: Budget) -> None:
        self.filter(pk=name).update(busy_until=F("busy_until") - budget.seconds)

    def use(self, name: str, most: int, seconds: float) -> float:
        """Count one use, or return the seconds to wait if there were ``most`` within the last ``seconds``.

        Returns 0 if the use is counted.
        """
        with transaction.atomic():
            row = self.locked(name)
            now = time.time()
            recent = [moment for moment in row.recent if now - seconds < moment <= now]
            if len(recent) >= most:
                return float(recent[-most]) + seconds - now
            self.filter(pk=name).update(recent=[*recent, now], busy_until=now + seconds)
        return 0.0

    def lease(self, name: str, seconds: float) -> float | None:
        """Take ``name`` for ``seconds``. Return the end of the lease, or None if it is taken."""
        with transaction.atomic():
            row, now = self.locked(name), time.time()
            if now < row.busy_until <= now + seconds:
                return None
            self.filter(pk=name).update(busy_until=now + seconds)
        return now + seconds

    def renew(self, name: str, until: float, seconds: float) -> float:
        """Extend the lease that ends at ``until``, unless it has ended and somebody else has taken it."""
        later = time.time() + seconds
        return later if self.filter(pk=name, busy_until=until).update(busy_until=later) else until

    def release(self, name: str, until: float) -> None:
        self.filter(pk=name, busy_until=until).update(busy_until=0)


class Throttle(models.Model):
    """How often something with one ``name`` has happened, or until when it is leased.

    ``name`` is a keyed hash, for example of an account and an address. ``busy_until``: in seconds since 1970,
    the time at which the whole budget is available again. Rows whose time has passed are deleted.
    ``recent``: the times of the last uses, if a limit counts each of them.
    """

    name = models.CharField(max_length=64, primary_key=True)
    busy_until = models.FloatField(default=0, db_index=True)
    recent = models.JSONField(default=list)

    objects: ClassVar[ThrottleManager] = ThrottleManager()

    def __str__(self) -> str:
        return self.name


def throttle_name(kind: str, *parts: str) -> str:
    """Return the name of the row that limits ``kind`` for ``parts``, which it does not reveal."""
    return salted_hmac(f"keys.throttle.{kind}", "\0".join(parts), algorithm="sha256").hexdigest()
