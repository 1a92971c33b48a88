"""Measure whether the time of a wrong password tells known from unknown people, in each mode of passwords.

Both databases are measured in one run. The attempts take turns, and each is compared with that of the
unknown person in the same round, so that a busy machine slows both. Ends with an error if the median
difference is more than ``MOST`` milliseconds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from keys.models import Throttle, User
from keys.rules.password_sign_in import PasswordSignIn
from keys.rules.permissions import Role
from tests.support import own_database, postgresql_server

ROUNDS, MOST = 60, 20.0
NAMED, KNOWN, UNKNOWN = (f"{name}@example.com" for name in ("named", "known", "unknown"))


def show() -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.PORTAL_BREAK_GLASS_EMAILS = (NAMED,)
    print("| database, mode | unknown, ms | named: more, ms; ratio | known: more, ms; ratio |")
    print("|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, postgresql_server.serving() as server:
        worst = _worst("SQLite", Path(folder) / "portal.sqlite3")
        server.create("portal")
        worst = max(worst, _worst("PostgreSQL", server.url("portal")))
    print(f"\nThe median differences are {worst:.1f} ms at most.")
    sys.exit(f"That is more than {MOST} ms." if worst > MOST else 0)


def _worst(name: str, address: own_database.Address) -> float:
    """Print a row for each mode, and return the greatest median difference, in milliseconds."""
    worst = 0.0
    own_database.create(address)
    with own_database.using(address):
        for email in (NAMED, KNOWN):
            _add(email)
        for mode in PasswordSignIn:
            settings.PORTAL_PASSWORD_SIGN_IN = mode
            times = _times()
            cells = []
            for email in (NAMED, KNOWN):
                pairs = list(zip(times[email], times[UNKNOWN], strict=True))
                more = statistics.median(one - other for one, other in pairs)
                ratio = statistics.median(one / other for one, other in pairs)
                worst = max(worst, abs(more))
                cells.append(f"{more:+.1f}; {ratio:.2f}")
            print(f"| {name}, {mode} | {statistics.median(times[UNKNOWN]):.1f} | {' | '.join(cells)} |")
    return worst


def _add(email: str) -> None:
    now = timezone.now()
    user = User(email=email, name="A Person", cerby_id=uuid.uuid4(), role=Role.ADMIN, added_at=now)
    user.is_active, user.role_checked_at = True, now
    user.set_password("a long enough password")
    user.save()


def _times() -> dict[str, list[float]]:
    """Return the times of the answers to each person, by round. Each goes first in every third round."""
    emails = [NAMED, KNOWN, UNKNOWN]
    times: dict[str, list[float]] = {email: [] for email in emails}
    for number in range(ROUNDS):
        turn = number % len(emails)
        for email in emails[turn:] + emails[:turn]:
            Throttle.objects.all().delete()
            began = time.perf_counter()
            Client().post("/accounts/login/", {"login": email, "password": f"a wrong password {number}"})
            times[email].append((time.perf_counter() - began) * 1000)
    return times
