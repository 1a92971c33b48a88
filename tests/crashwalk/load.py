"""Simulate people who generate, view, store, re-scope and delete keys over HTTP at the same time."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

import requests
from django.conf import settings

from keys.models import User
from tests import cast as people
from tests.crashwalk.life import Life
from tests.pages.journey import GENERATE, Tab, answers

PATIENCE = 30  # seconds
A_MOMENT = 0.05  # seconds before a person who was not served tries again


class NotServed(Exception):
    """The portal gave an answer that it gives only after a kill."""


class Person:
    """A signed-in browser in its own thread.

    ``life``: the portal's answers. ``rounds``: how many keys completed their round, by its kind.
    ``interruptions``: how many did not.
    """

    def __init__(self, url: str, user: User) -> None:
        self.life = Life()
        self.rounds: Counter[str] = Counter()
        self.interruptions = 0
        self._url, self._user_id = url, user.pk
        self._tab = Tab()
        self._browser = requests.Session()
        self._browser.trust_env = False
        token = secrets.token_hex(16)
        client = people.signed_in(user)
        name = settings.SESSION_COOKIE_NAME
        self._browser.headers.update(
            {
                "Cookie": f"{name}={client.cookies[name].value}; {settings.CSRF_COOKIE_NAME}={token}",
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
        """Repeat rounds until stopped. The key's id selects the kind, so that kills cannot favour one."""
        while not self._stop.is_set():
            key = uuid.uuid4()
            name, way = WAYS[key.int % len(WAYS)]
            try:
                self._generate(key)
                way(self, key)
            except (requests.RequestException, NotServed):
                self.interruptions += 1
                time.sleep(A_MOMENT)
            else:
                self.rounds[name] += 1

    def _generate(self, key: UUID) -> None:
        self._post(GENERATE, data=answers(self._tab, id=str(key)))

    def _save(self, key: UUID) -> None:
        plain = self._tab.open(self._view(key), key_id=key, user_id=self._user_id)
        self._post(f"/keys/{key}/store/save/", json={"secret": plain, "vault": None}, wanted=HTTPStatus.OK)
        self._tell("held", key)

    def _view(self, key: UUID) -> str:
        sealed = self._post(f"/keys/{key}/store/claim/", json={}, wanted=HTTPStatus.OK).json()["sealed"]
        self._tell("revealed", key)
        return sealed

    def _store(self, key: UUID) -> None:
        self._view(key)
        self._post(f"/keys/{key}/store/done/")
        self._tell("held", key)

    def _rescope(self, key: UUID) -> None:
        self._store(key)
        self._post(f"/keys/{key}/rescope/", data={"scope": "read:items", "on": "true"})
        self._tell("rescoped", key)

    def _delete(self, key: UUID) -> None:
        self._post(f"/keys/{key}/delete/")
        self._tell("removed", key)

    def _view_and_delete(self, key: UUID) -> None:
        self._view(key)
        self._delete(key)

    def _store_and_delete(self, key: UUID) -> None:
        self._view(key)
        self._post(f"/keys/{key}/store/done/")  # not reported as held, because it is deleted next
        self._delete(key)

    def _post(self, path: str, *, wanted: HTTPStatus = HTTPStatus.FOUND, **how: Any) -> requests.Response:
        response = self._browser.post(self._url + path, timeout=PATIENCE, allow_redirects=False, **how)
        if response.status_code != wanted:
            raise NotServed
        return response

    def _tell(self, word: str, key: UUID) -> None:
        self.life.answers.append((word, key))


WAYS: list[tuple[str, Callable[[Person, UUID], None]]] = [
    ("saved in Cerby", Person._save),
    ("stored", Person._store),
    ("given other scopes", Person._rescope),
    ("deleted unseen", Person._delete),
    ("viewed and deleted", Person._view_and_delete),
    ("stored and deleted", Person._store_and_delete),
]
"""The kinds of rounds: what a person does with a generated key."""
