"""Measure pages, probes and sign-ins while people generate keys and Cerby is silent, in real processes.

Ends with an error if a promise is broken, or if the people who generate keys do not wait for Cerby.
"""

from __future__ import annotations

import re
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import requests
from django.conf import settings as portal
from django.utils import timezone

from benchmarks.databases import connect, using
from keys.actions.people.refresh import A_PERSON_WAITS
from keys.cerby import Limits
from keys.models import ApiKey, User
from keys.rules.permissions import Role
from tests import cast as people
from tests.crashwalk.fleet import PASSWORD, Fleet
from tests.pages.journey import GENERATE, Tab, answers

GENERATORS, READERS, SILENT, QUIET = 40, 8, 20.0, 10.0
THINKING = 1.0
"""Seconds until a person asks again."""
PATIENCE = 120
PAGES = ("/keys/", "/activity/", "/roles/")
PROBES = ("/livez", "/readyz")
SIGN_IN = "/accounts/login/"
THREADS_BEFORE = 8
PROCESSES = 2
SILENCE = {"route": "*", "fault": "hang-uncommitted", "seconds": 2 * SILENT}

READING, SIGNING_IN = "reading", "signing in"
GENERATING, ASKING_FOR_ROLE = "generating", "generating, role not fresh"
"""Cerby has just confirmed the role of the first, so they wait for the key. The others wait for the role."""
PAGE_SECONDS = 1.0
SLOW_MACHINE = 2
"""On a busy machine, a page may take this many times the slowest answer at the time when nobody generates."""


def show() -> None:
    print(f"\n{GENERATORS} people generate keys, {READERS} read; Cerby is silent for {SILENT:.0f} s.\n")
    print("| | answers | by status | p50, s | p99, s | max, s |\n|---|---:|---|---:|---:|---:|")
    _measure("without the bound", "--threads", str(THREADS_BEFORE), settings="benchmarks.unbounded")
    quiet, silent = _measure("with it", settings="portal.settings")
    problems = [*_unfit(silent), *_broken_promises(quiet, silent)]
    sys.exit("\n" + "\n".join(problems) if problems else 0)


def _measure(name: str, *options: str, settings: str) -> tuple[list[Visitor], list[Visitor]]:
    """Return the visitors while nobody generates, and all of them while Cerby is silent."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "portal"
        with Fleet(data, data / "portal.sqlite3", *options, DJANGO_SETTINGS_MODULE=settings) as fleet:
            database = connect(data / "portal.sqlite3")
            with using(database):
                quiet = [visitor for visitor in _visitors(fleet.url) if not visitor.generates]
                _observe("nobody generates", quiet, QUIET)
                before = set(ApiKey.objects.values_list("pk", flat=True))
                silent = _visitors(fleet.url)
            fleet.control.set_faults([SILENCE])
            with using(database):
                now = timezone.now()
                User.objects.update(role_checked_at=now - timedelta(hours=1))
                User.objects.filter(role=Role.ADMIN).update(role_checked_at=now)
            _observe(name, silent, SILENT, then=lambda: fleet.control.set_faults([]))
            with using(database):
                made = ApiKey.objects.exclude(pk__in=before).values_list("state", flat=True)
                print(f"| *keys, {name}* | {made.count()} | {_counts(made)} | | | |", flush=True)
            database.close()
    return quiet, silent


class Visitor:
    """A browser, or a probe, that asks again and again, and notes statuses and seconds."""

    def __init__(self, kind: str, url: str, user: User | None) -> None:
        self.kind, self.statuses, self.seconds = kind, Counter[int](), list[float]()
        self._url, self._pages, self._tab = url, cycle([kind] if kind in PROBES else PAGES), Tab()
        self._user = user
        self._http = requests.Session()
        self._http.trust_env = False
        if user is not None and kind != SIGNING_IN:
            self._sign_in_beforehand(user)

    @property
    def generates(self) -> bool:
        return self.kind in {GENERATING, ASKING_FOR_ROLE}

    def _sign_in_beforehand(self, user: User) -> None:
        token, client = secrets.token_hex(16), people.signed_in(user)
        session = client.cookies[portal.SESSION_COOKIE_NAME].value
        cookies = f"{portal.SESSION_COOKIE_NAME}={session}; {portal.CSRF_COOKIE_NAME}={token}"
        self._http.headers.update({"Cookie": cookies, "X-CSRFToken": token})

    def ask(self) -> None:
        began = time.monotonic()
        try:
            status = self._send().status_code
        except requests.RequestException:
            status = 0
        self.statuses[status] += 1
        self.seconds.append(time.monotonic() - began)

    def _send(self) -> requests.Response:
        if self.generates:
            return self._post(GENERATE, answers(self._tab))
        if self.kind == SIGNING_IN and self._user is not None:
            self._http.cookies.clear()
            form = self._http.get(self._url + SIGN_IN, timeout=PATIENCE).text
            [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
            entered = {"csrfmiddlewaretoken": token, "login": self._user.email, "password": PASSWORD}
            return self._post(SIGN_IN, entered)
        return self._http.get(self._url + next(self._pages), timeout=PATIENCE, allow_redirects=False)

    def _post(self, path: str, form: dict[str, object]) -> requests.Response:
        return self._http.post(self._url + path, data=form, timeout=PATIENCE, allow_redirects=False)


def _visitors(url: str) -> list[Visitor]:
    active = User.objects.filter(is_active=True).order_by("pk")
    admin, super_admin, owner = (
        active.filter(role=role)[0] for role in (Role.ADMIN, Role.SUPER_ADMIN, Role.OWNER)
    )
    half = GENERATORS // 2
    return [
        *(Visitor(GENERATING, url, admin) for _ in range(half)),
        *(Visitor(ASKING_FOR_ROLE, url, super_admin) for _ in range(half)),
        *(Visitor(READING, url, admin) for _ in range(READERS)),
        *(Visitor(probe, url, None) for probe in PROBES),
        Visitor(SIGNING_IN, url, owner),
    ]


def _observe(
    name: str, visitors: list[Visitor], seconds: float, then: Callable[[], None] = lambda: None
) -> None:
    over = threading.Event()
    threads = [
        threading.Thread(target=_repeat, args=(visitor.ask, over, THINKING * number / len(visitors)))
        for number, visitor in enumerate(visitors)
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    then()
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    for kind in dict.fromkeys(visitor.kind for visitor in reversed(visitors)):
        print(_line(f"{kind}, {name}", [one for one in visitors if one.kind == kind]), flush=True)


def _repeat(step: Callable[[], None], over: threading.Event, first_after: float) -> None:
    over.wait(first_after)  # people do not all press a button in the same millisecond
    while not over.is_set():
        step()
        over.wait(THINKING)


def _unfit(silent: list[Visitor]) -> Iterator[str]:
    """Yield the reasons for which the figures prove nothing."""
    for visitor in silent:
        expected = {302, 503} if visitor.generates else {302} if visitor.kind == SIGNING_IN else {200}
        if unexpected := set(visitor.statuses) - expected:
            yield f"A visitor ({visitor.kind}) got the status {_counts(unexpected)}."
    places = PROCESSES * Limits().at_once
    waited = sum(max(visitor.seconds) > SILENT / 2 for visitor in silent if visitor.kind == GENERATING)
    if not 1 <= waited <= places:
        yield f"{waited} people waited for a key; it should be 1 to {places}, the bound of both processes."


def _broken_promises(quiet: list[Visitor], silent: list[Visitor]) -> Iterator[str]:
    """Yield the promises that were broken."""
    slowest = max(second for visitor in quiet for second in visitor.seconds)
    page = max(PAGE_SECONDS, SLOW_MACHINE * slowest)
    for kind in (READING, *PROBES, SIGNING_IN):
        longest = A_PERSON_WAITS + page if kind == SIGNING_IN else page
        measured = _p99(sorted(_seconds(kind, silent)))
        if measured > longest:
            yield f"Broken: {kind} took {measured:.1f} s; promised: {longest:.1f} s."


def _line(name: str, visitors: list[Visitor]) -> str:
    seconds = sorted(_seconds(visitors[0].kind, visitors))
    statuses = _counts(status for visitor in visitors for status in visitor.statuses.elements())
    times = " | ".join(f"{value:.2f}" for value in (statistics.median(seconds), _p99(seconds), seconds[-1]))
    return f"| {name} | {len(seconds)} | {statuses} | {times} |"


def _p99(ordered: list[float]) -> float:
    return ordered[int(len(ordered) * 0.99)]


def _seconds(kind: str, visitors: list[Visitor]) -> list[float]:
    return [second for visitor in visitors if visitor.kind == kind for second in visitor.seconds]


def _counts(values: Iterable[object]) -> str:
    return ", ".join(f"{value}: {count}" for value, count in sorted(Counter(map(str, values)).items()))
