"""Measure pages and probes while people generate keys and Cerby is silent, in real gunicorn processes."""

from __future__ import annotations

import secrets
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path

import requests
from django.conf import settings as portal

from benchmarks.databases import connect, using
from keys.models import ApiKey, User
from keys.rules.policy import Role
from tests import cast as people
from tests.crashwalk.fleet import Fleet
from tests.pages.journey import GENERATE, Tab, answers

GENERATORS, READERS, SILENT, QUIET = 40, 8, 20.0, 10.0
THINKING = 1.0
"""Seconds until a person asks again."""
PATIENCE = 120
PAGES = ("/keys/", "/activity/", "/roles/")
THREADS_BEFORE = 8
SILENCE = {"route": "*", "fault": "hang-uncommitted", "seconds": 2 * SILENT}


def show() -> None:
    print(f"\n{GENERATORS} people generate keys, {READERS} read; Cerby is silent for {SILENT:.0f} s.\n")
    print("| | answers | by status | p50, s | p99, s | max, s |\n|---|---:|---|---:|---:|---:|")
    _measure("without the bound", "--threads", str(THREADS_BEFORE), settings="benchmarks.unbounded")
    _measure("with it", settings="portal.settings")


def _measure(name: str, *options: str, settings: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "portal"
        with Fleet(data, data / "portal.sqlite3", *options, DJANGO_SETTINGS_MODULE=settings) as fleet:
            database = connect(data / "portal.sqlite3")
            with using(database):
                _observe(
                    "nobody generates", [v for v in _visitors(fleet.url) if v.kind != "generating"], QUIET
                )
                before = set(ApiKey.objects.values_list("pk", flat=True))
                visitors = _visitors(fleet.url)
            fleet.control.set_faults([SILENCE])
            _observe(name, visitors, SILENT, then=lambda: fleet.control.set_faults([]))
            with using(database):
                made = ApiKey.objects.exclude(pk__in=before).values_list("state", flat=True)
                print(f"| *keys, {name}* | {made.count()} | {_counts(made)} | | | |", flush=True)
            database.close()


class Visitor:
    """A signed-in browser, or a probe, that asks again and again, and notes statuses and seconds."""

    def __init__(self, kind: str, url: str, user: User | None) -> None:
        self.kind, self.statuses, self.seconds = kind, Counter[int](), list[float]()
        self._url, self._pages, self._tab = url, cycle(PAGES), Tab()
        self._http = requests.Session()
        self._http.trust_env = False
        if user is not None:
            self._sign_in(user)

    def _sign_in(self, user: User) -> None:
        token, client = secrets.token_hex(16), people.signed_in(user)
        session = client.session
        session["_csrftoken"] = token
        session.save()
        name = portal.SESSION_COOKIE_NAME
        self._http.headers.update({"Cookie": f"{name}={client.cookies[name].value}", "X-CSRFToken": token})

    def ask(self) -> None:
        began = time.monotonic()
        try:
            status = self._send().status_code
        except requests.RequestException:
            status = 0
        self.statuses[status] += 1
        self.seconds.append(time.monotonic() - began)

    def _send(self) -> requests.Response:
        if self.kind == "generating":
            url, form = self._url + GENERATE, answers(self._tab)
            return self._http.post(url, data=form, timeout=PATIENCE, allow_redirects=False)
        page = "/livez" if self.kind == "/livez" else next(self._pages)
        return self._http.get(self._url + page, timeout=PATIENCE, allow_redirects=False)


def _visitors(url: str) -> list[Visitor]:
    admin = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk")[0]
    generating = [Visitor("generating", url, admin) for _ in range(GENERATORS)]
    reading = [Visitor("reading", url, admin) for _ in range(READERS)]
    return [*generating, *reading, Visitor("/livez", url, None)]


def _observe(
    name: str, visitors: list[Visitor], seconds: float, then: Callable[[], None] = lambda: None
) -> None:
    over = threading.Event()
    threads = [threading.Thread(target=_repeat, args=(visitor.ask, over)) for visitor in visitors]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    then()
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    for kind in ("reading", "/livez", "generating"):
        those = [visitor for visitor in visitors if visitor.kind == kind]
        if those:
            print(_line(f"{kind}, {name}", those), flush=True)


def _repeat(step: Callable[[], None], over: threading.Event) -> None:
    while not over.is_set():
        step()
        over.wait(THINKING)


def _line(name: str, visitors: list[Visitor]) -> str:
    seconds = sorted(second for visitor in visitors for second in visitor.seconds)
    statuses = _counts(status for visitor in visitors for status in visitor.statuses.elements())
    p99 = seconds[int(len(seconds) * 0.99)]
    times = " | ".join(f"{value:.2f}" for value in (statistics.median(seconds), p99, seconds[-1]))
    return f"| {name} | {len(seconds)} | {statuses} | {times} |"


def _counts(values: Iterable[object]) -> str:
    return ", ".join(f"{value}: {count}" for value, count in sorted(Counter(map(str, values)).items()))
