"""Measure whether the time of a wrong password tells known from unknown people, in each mode of passwords.

Both databases are measured in one run. The attempts take turns, so that a busy machine slows all of them.
Ends with an error if two medians of one mode differ by more than ``MOST`` milliseconds.
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
from keys.rules.policy import Role
from tests.support import own_database, postgresql_server

ROUNDS, MOST = 40, 20.0
NAMED, KNOWN, UNKNOWN = (f"{name}@example.com" for name in ("named", "known", "unknown"))


def show() -> None:
    call_command("collectstatic", interactive=False, verbosity=0)
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.PORTAL_BREAK_GLASS_EMAILS = (NAMED,)
    print("| database, mode | named, ms | known, ms | unknown, ms | known / unknown |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, postgresql_server.serving() as server:
        worst = _worst("SQLite", Path(folder) / "portal.sqlite3")
        server.create("portal")
        worst = max(worst, _worst("PostgreSQL", server.url("portal")))
    print(f"\nThe medians of one mode differ by {worst:.1f} ms at most.")
    sys.exit(f"That is more than {MOST} ms." if worst > MOST else 0)


def _worst(name: str, address: own_database.Address) -> float:
    """Print a row for each mode, and return the greatest difference of two medians, in milliseconds."""
    worst = 0.0
    own_database.create(address)
    with own_database.using(address):
        for email in (NAMED, KNOWN):
            _add(email)
        for mode in PasswordSignIn:
            settings.PORTAL_PASSWORD_SIGN_IN = mode
            medians = _medians()
            worst = max(worst, max(medians) - min(medians))
            columns = " | ".join(f"{median:.1f}" for median in medians)
            print(f"| {name}, {mode} | {columns} | {medians[1] / medians[2]:.2f} |")
    return worst


def _add(email: str) -> None:
    now = timezone.now()
    user = User(email=email, name="A Person", cerby_id=uuid.uuid4(), role=Role.ADMIN, added_at=now)
    user.is_active, user.role_checked_at = True, now
    user.set_password("a long enough password")
    user.save()


def _medians() -> list[float]:
    """Return the median time of an answer for each person. Their attempts take turns."""
    times: dict[str, list[float]] = {email: [] for email in (NAMED, KNOWN, UNKNOWN)}
    for number in range(ROUNDS):
        for email, each in times.items():
            Throttle.objects.all().delete()
            began = time.perf_counter()
            Client().post("/accounts/login/", {"login": email, "password": f"a wrong password {number}"})
            each.append((time.perf_counter() - began) * 1000)
    return [statistics.median(each) for each in times.values()]
