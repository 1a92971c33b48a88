"""Stop PostgreSQL while the real web server works on many requests, and start it again."""

from __future__ import annotations

import re
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import psycopg
import pytest
import requests

from tests import cast as people
from tests.browser.portal_process import PASSWORD, Portal
from tests.support.postgresql_server import serving
from tests.support.workers import wait_until

pytestmark = pytest.mark.long

READS = ("/", "/keys/", "/keys/export/", "/activity/", "/activity/export/", "/keys/?q=payroll")
LOCKED = ("keys_apikey", "keys_auditevent", "keys_throttle")
"""Every request below waits for one of these tables, so none has ended when the server stops."""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
IN_FLIGHT = 14
"""Fewer than the threads of a web process, because all of them may have gone to one."""
FORTY_SECONDS = 40


class Browser:
    """A browser of one person. ``token`` is that of the page on which they were last."""

    def __init__(self, url: str) -> None:
        self.url, self.session, self.token = url, requests.Session(), ""

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(
            self.url + path, headers=headers, timeout=FORTY_SECONDS, allow_redirects=False
        )

    def on(self, path: str) -> Browser:
        self.token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', self.get(path).text)[1]
        return self

    def post(self, path: str, **sent: str) -> requests.Response:
        form = {"csrfmiddlewaretoken": self.token, **sent}
        return self.session.post(self.url + path, form, timeout=FORTY_SECONDS, allow_redirects=False)

    def sign_in(self, password: str = PASSWORD) -> requests.Response:
        return self.post("/accounts/login/", login=people.email_of("admin"), password=password)


@pytest.mark.nightly  # it takes 20 seconds
def test_requests_in_flight_answer_503_when_postgresql_stops_and_work_after_its_restart(tmp_path: Path):
    """Known-bad control: all tables are locked until the server stops, so no request can have ended before."""
    with serving() as server:
        server.create("portal")
        with Portal(tmp_path / "data", DATABASE_URL=server.url("portal"), WEB_CONCURRENCY="2") as portal:
            admin = Browser(portal.url).on("/accounts/login/")
            assert admin.sign_in().status_code == 302
            admin.on("/keys/find/")
            strangers = [Browser(portal.url).on("/accounts/login/") for _ in range(3)]
            ended = Event()
            with ThreadPoolExecutor(24) as threads:
                try:
                    probing = threads.submit(statuses_until, ended, portal.url)
                    with closing(psycopg.connect(server.url("portal"))) as locks:
                        locks.execute(f"LOCK TABLE {', '.join(LOCKED)} IN ACCESS EXCLUSIVE MODE")
                        in_flight = send_all(threads, admin, strangers)
                        wait_until(lambda: locks.execute(WAITING).fetchone()[0] >= IN_FLIGHT)
                        assert not any(each.done() for each in in_flight)
                        server.stop(signal.SIGINT)
                    answers = [each.result() for each in in_flight]
                    wait_until(lambda: admin.get("/keys/").status_code == 503)
                    server.start()
                    wait_until(lambda: admin.get("/keys/").status_code == 200)
                finally:
                    ended.set()
            assert {answer.status_code for answer in answers} == {503}
            for answer in answers:
                assert "its database" in answer.text
                assert "Traceback" not in answer.text
                assert answer.headers["Retry-After"] == "60"
            assert set(probing.result()) <= {200, 503}
            assert {admin.get(path).status_code for path in READS} == {200}
            assert admin.post("/keys/find/", text="x" * 30).status_code == 200
            assert strangers[0].sign_in().status_code == 302


def send_all(
    threads: ThreadPoolExecutor, admin: Browser, strangers: list[Browser]
) -> list[Future[requests.Response]]:
    """Send twenty requests of several kinds."""
    sent = [threads.submit(admin.get, path) for path in READS * 2]
    sent += [threads.submit(admin.get, path, **{"HX-Request": "true"}) for path in ("/keys/", "/activity/")]
    sent += [threads.submit(admin.post, "/keys/find/", text="x" * 30) for _ in range(2)]
    sent += [threads.submit(admin.post, "/accounts/password/reset/", email=people.email_of("user"))]
    sent += [threads.submit(stranger.sign_in) for stranger in strangers[:2]]
    sent += [threads.submit(strangers[2].sign_in, "a wrong password")]
    return sent


def statuses_until(ended: Event, url: str) -> list[int]:
    """Return the statuses of probes and of a page that uses no table, one after the other."""
    found: list[int] = []
    while not ended.is_set():
        paths = ("/livez", "/readyz", "/accounts/login/")
        found += [requests.get(url + path, timeout=FORTY_SECONDS).status_code for path in paths]
        time.sleep(0.2)
    return found
