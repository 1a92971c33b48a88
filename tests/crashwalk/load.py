"""People who generate, view, store and delete keys through real HTTP, all at once, whatever is answered."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from typing import Any
from uuid import UUID

import requests
from django.conf import settings

from keys.models import User
from tests import cast as people
from tests.crashwalk.life import Life
from tests.pages.journey import GENERATE, JSON, answers

PATIENCE = 30  # seconds


class Person:
    """A signed-in browser, with a thread of its own.

    ``life``: what was answered. ``rounds``: how many keys went all their way; ``interruptions``: how many did not.
    """

    def __init__(self, url: str, user: User) -> None:
        self.life = Life()
        self.rounds = 0
        self.interruptions = 0
        self._url = url
        self._browser = requests.Session()
        self._browser.trust_env = False
        token = secrets.token_hex(16)
        client = people.signed_in(user)
        session = client.session
        session["_csrftoken"] = token
        session.save()
        name = settings.SESSION_COOKIE_NAME
        self._browser.headers.update(
            {
                "Cookie": f"{name}={client.cookies[name].value}",
                "X-CSRFToken": token,
                "User-Agent": people.CHROME,
            }
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)

    def _go_on(self) -> None:
        while not self._stop.is_set():
            try:
                went_all_its_way = self._one_key(uuid.uuid4())
            except requests.RequestException:
                went_all_its_way = False
            if went_all_its_way:
                self.rounds += 1
            else:
                self.interruptions += 1
                time.sleep(0.05)

    def _one_key(self, key: UUID) -> bool:
        """Generate it and view it; then store it, or delete it, or one after the other."""
        if self._post(GENERATE, data=answers(id=str(key))).status_code != 302:
            return False
        if (
            self._post(f"/keys/{key}/store/claim/", data="{}", headers={"Content-Type": JSON}).status_code
            != 200
        ):
            return False
        self._tell("revealed", key)
        turn = self.rounds % 3
        if turn != 1:
            if self._post(f"/keys/{key}/store/done/").status_code != 302:
                return False
            if turn == 0:
                self._tell("held", key)
        if turn != 0:
            if self._post(f"/keys/{key}/delete/").status_code != 302:
                return False
            self._tell("removed", key)
        return True

    def _post(self, path: str, **how: Any) -> requests.Response:
        return self._browser.post(self._url + path, timeout=PATIENCE, allow_redirects=False, **how)

    def _tell(self, word: str, key: UUID) -> None:
        self.life.answers.append((word, key))
