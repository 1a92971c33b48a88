"""One HTTP exchange with Cerby, within limits, told truly; the only place that speaks to it."""

from __future__ import annotations

import http.client
import json
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, ClassVar

import requests
from urllib3.exceptions import HTTPError

from keys.cerby import calls
from keys.cerby.calls import Answer, Call, Lost, Stage
from keys.delivery import deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_CHUNK = 65_536
_FAILURES = (OSError, ValueError, HTTPError, http.client.HTTPException)
"""What sockets, TLS, http.client, urllib3 and requests raise. requests.RequestException is an OSError."""


@dataclass(frozen=True)
class Limits:
    """How long, how much, how often. Times in seconds.

    ``answer`` is for the whole answer, from its first byte to its last; ``total`` for a call with its
    repetitions. ``pauses``: before each repetition of a read; ``longest_pause``: what a Retry-After can make
    of one. ``body`` is in bytes.
    """

    connect: float = 3
    answer: float = 20
    total: float = 30
    body: int = 5 * 1024 * 1024
    pages: int = 10_000
    pauses: tuple[float, ...] = (0.2, 0.4, 0.8)
    longest_pause: float = 10


class _NeverConnectedError(Exception):
    """Name look-up, connection or TLS handshake failed: not one byte of a request was sent.

    Neither an OSError nor one of urllib3's own, so that no layer on the way wraps it into something vaguer:
    urllib3 reports a reset during the handshake and one after the request in the same words.
    """


@contextmanager
def _nothing_sent_yet() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _NeverConnectedError from error


class _PlainConnection(deadline.PlainConnection):
    def connect(self) -> None:
        with _nothing_sent_yet():
            super().connect()


class _TLSConnection(deadline.TLSConnection):
    def connect(self) -> None:
        with _nothing_sent_yet():
            super().connect()


class _PlainPool(deadline.PlainPool):
    ConnectionCls = _PlainConnection


class _TLSPool(deadline.TLSPool):
    ConnectionCls = _TLSConnection


class _Adapter(deadline.DeadlineAdapter):
    pools: ClassVar = {"http": _PlainPool, "https": _TLSPool}


class _Session(requests.Session):
    """No cookies, no redirects, no proxies or passwords from the environment, no hidden repetition.

    It is safe to share between threads: nothing here changes after it is made, and what requests itself would
    change, the cookie jar, takes no cookies. The pool underneath is urllib3's, made for threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update(
            {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "cerby-key-portal"}
        )
        adapter = _Adapter(pool_connections=1, pool_maxsize=10, pool_block=True)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: a redirect is an answer like any other; requests would read its body without a limit."""


class Exchange:
    """Carries calls out: a read through a shared pool and again where that may help, a write once."""

    def __init__(self, base_url: str, *, token: str, api_key: str, limits: Limits) -> None:
        self._base_url = base_url
        self._token = token
        self._api_key = api_key
        self._limits = limits
        self._pooled = _Session()

    @property
    def credentials(self) -> tuple[str, ...]:
        return tuple(credential for credential in (self._token, self._api_key) if credential)

    def close(self) -> None:
        """Close idle connections."""
        self._pooled.close()

    def has_credential(self, call: Call) -> bool:
        return bool(self._token or (self._api_key and not call.manages_keys))

    def carry_out(self, call: Call) -> Answer | Lost:
        """What came of the call. Raises nothing, so that no traceback has a frame with a credential in it."""
        ends = time.monotonic() + self._limits.total
        if call.writes:
            # On a connection of its own: the other side may have closed a pooled one meanwhile, and then
            # nobody could tell whether the write was seen.
            with _Session() as session:
                return self._once(session, call, ends)
        for pause in self._limits.pauses:
            outcome = self._once(self._pooled, call, ends)
            wait = self._wait(outcome, pause)
            if not calls.worth_repeating(outcome) or time.monotonic() + wait >= ends:
                return outcome
            time.sleep(wait)
        return self._once(self._pooled, call, ends)

    def _wait(self, outcome: Answer | Lost, pause: float) -> float:
        asked = calls.seconds(outcome.retry_after) if isinstance(outcome, Answer) else None
        return pause if asked is None else min(asked, self._limits.longest_pause)

    def _once(self, session: requests.Session, call: Call, ends: float) -> Answer | Lost:
        left = max(ends - time.monotonic(), 0.001)
        connect = min(self._limits.connect, left / 2)
        try:
            with session.request(
                call.method,
                self._base_url + call.path,
                params=call.query,
                data=None if call.body is None else json.dumps(call.body).encode(),
                headers=self._headers(call),
                timeout=deadline.timeouts(
                    connect=connect, response=min(self._limits.answer, left - connect), total=left
                ),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._received(response)
        except _NeverConnectedError as error:
            return _lost(call, Stage.NOT_SENT, "no connection could be made", error)
        except requests.Timeout as error:
            return _lost(call, Stage.UNUSABLE, "its answer did not come in time", error)
        except requests.ConnectionError as error:
            return _lost(call, Stage.CUT, "the connection broke before an answer came", error)
        except _FAILURES as error:
            return _lost(call, Stage.UNUSABLE, "its answer was not understood", error)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {}
        if call.manages_keys or not self._api_key:
            headers["Authorization"] = f"Bearer {self._token}"
        else:
            headers["X-API-Key"] = self._api_key
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.writes:
            headers["Connection"] = "close"
        return headers

    def _received(self, response: requests.Response) -> Answer:
        """The answer with its body, whose size and time are limited whatever Content-Length says."""
        body, flaw = bytearray(), ""
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._limits.body:
                    flaw = "its answer is too long"
                    break
        except _FAILURES as error:
            logger.warning("cerby: an answer broke off (%s)", _root(error))
            flaw = "its answer broke off"
        return Answer(
            status=response.status_code,
            media_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            retry_after=response.headers.get("Retry-After", ""),
            body=bytes(body),
            flaw=flaw,
        )


def _lost(call: Call, stage: Stage, why: str, error: Exception) -> Lost:
    logger.warning("cerby: could not %s: %s (%s)", call.doing, why, _root(error))
    return Lost(stage, why)


def _root(error: BaseException) -> str:
    """The name of the error at the bottom: enough for an operator, without an address or a header."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return type(error).__name__
