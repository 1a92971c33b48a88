"""Exchange one HTTP request and answer with Cerby, within limits. No other module sends requests to Cerby."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar

import requests
import structlog
from urllib3.exceptions import HTTPError

from keys.cerby import calls, in_flight
from keys.cerby.calls import Answer, Call, Lost, Stage
from keys.delivery import deadline
from portal.conf import WEB_THREADS

logger = structlog.get_logger(__name__)

_CHUNK = 65_536
_FAILURES = (OSError, ValueError, HTTPError, http.client.HTTPException)
"""The errors of sockets, TLS, http.client, urllib3 and requests. requests.RequestException is an OSError."""


@dataclass(frozen=True)
class Limits:
    """Limits on time, size and repetition. Times are in seconds.

    ``answer``: for the whole answer, from its first byte to its last. ``total``: for a call with its
    repetitions. ``pauses``: before each repetition of a read. ``longest_pause``: the maximum that a
    Retry-After can request. ``body``: in bytes, for any answer; most calls accept less. ``at_once``: the
    calls that a process has in flight, or 0 for no bound.
    """

    connect: float = 3
    answer: float = 20
    total: float = 30
    body: int = calls.LARGEST_PAGE_OF_KEYS
    pages: int = 10_000
    pauses: tuple[float, ...] = (0.2, 0.4, 0.8)
    longest_pause: float = 10
    at_once: int = WEB_THREADS // 3


class _NeverConnectedError(Exception):
    """Name look-up, connection or TLS handshake failed, so no byte of the request was sent.

    It derives from neither OSError nor urllib3's errors, so that no layer wraps it. urllib3 reports a reset
    during the handshake and one after the request with the same message.
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

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        with _nothing_sent_yet():  # requests looks for the file of authorities here
            super().cert_verify(*args, **kwargs)  # type: ignore[no-untyped-call]


class _Session(requests.Session):
    """A session without cookies, redirects, automatic retries, and proxies or passwords from the environment.

    It is safe to share between threads: urllib3's pool is thread-safe, the cookie jar accepts no cookies, and
    nothing else changes after construction.
    """

    def __init__(self, ca_file: str = "") -> None:
        super().__init__()
        self.trust_env = False
        self.verify = ca_file or True
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update(
            {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "cerby-key-portal"}
        )
        adapter = _Adapter(pool_connections=1, pool_maxsize=10, pool_block=True)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: redirects are ordinary answers. requests would read their bodies without a limit."""


class Exchange:
    """Carry out calls: reads over a shared pool, repeated if that may help; writes once."""

    def __init__(self, base_url: str, *, token: str, api_key: str, limits: Limits, ca_file: str = "") -> None:
        self._base_url = base_url
        self._ca_file = ca_file
        self._token = token
        self._api_key = api_key
        self._limits = limits
        self._pooled = _Session(ca_file)
        self._in_flight = in_flight.bound(base_url, limits.at_once) if limits.at_once else None

    @property
    def credentials(self) -> tuple[str, ...]:
        return tuple(credential for credential in (self._token, self._api_key) if credential)

    def close(self) -> None:
        """Close idle connections."""
        self._pooled.close()

    def has_credential(self, call: Call) -> bool:
        return bool(self._token or (self._api_key and not call.manages_keys))

    def credential_name(self, call: Call) -> str:
        """Return the setting of the credential that the call is sent with."""
        return "CERBY_TOKEN" if call.manages_keys or not self._api_key else "CERBY_API_KEY"

    def carry_out(self, call: Call) -> Answer | Lost:
        """Return the outcome of the call. Never raise: a traceback's frames would contain a credential.

        If too many calls are in flight, or the server is silent, nothing is sent.
        """
        if self._in_flight is None:
            return self._carry_out(call)
        return self._in_flight.run(lambda: self._carry_out(call))

    def refusal(self) -> Lost | None:
        """Return the reason for which nothing would be sent now, if there is one."""
        return self._in_flight.refusal() if self._in_flight else None

    def _carry_out(self, call: Call) -> Answer | Lost:
        ends = time.monotonic() + min(self._limits.total, call.within)
        if call.writes:
            # Use a new connection. If the server had closed a pooled one meanwhile, nobody could tell whether
            # it received the write.
            with _Session(self._ca_file) as session:
                return self._once(session, call, ends)
        for pause in self._limits.pauses:
            outcome = self._once(self._pooled, call, ends)
            wait = self._wait(outcome, pause)
            if not calls.worth_repeating(outcome) or time.monotonic() + wait >= ends:
                return outcome
            time.sleep(wait)
        return self._once(self._pooled, call, ends)

    def _wait(self, outcome: Answer | Lost, pause: float) -> float:
        header = outcome.retry_after if isinstance(outcome, Answer) else ""
        requested = calls.retry_after_seconds(header)
        return pause if requested is None else min(requested, self._limits.longest_pause)

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
                return self._received(response, call)
        except _NeverConnectedError as error:
            reason = _why_not_trusting(self._ca_file) or _why_not_connected(error)
            return _lost(call, Stage.NOT_SENT, reason, error)
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

    def _received(self, response: requests.Response, call: Call) -> Answer:
        """Return the answer with its body, limited in size and time whatever Content-Length says.

        A body of a few megabytes can take twenty times its size while it is parsed.
        """
        body, flaw = bytearray(), ""
        largest = call.largest if response.status_code in call.ok else calls.LARGEST_REFUSAL
        largest = min(largest, self._limits.body)
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > largest:
                    flaw = "its answer is too long"
                    break
        except _FAILURES as error:
            logger.warning("cerby_answer_broke_off", cause=type(_root(error)).__name__)
            flaw = "its answer broke off"
        return Answer(
            status=response.status_code,
            media_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            retry_after=response.headers.get("Retry-After", ""),
            body=bytes(body),
            flaw=flaw,
        )


def _lost(call: Call, stage: Stage, reason: str, error: Exception) -> Lost:
    logger.warning("cerby_call_failed", call=call.doing, reason=reason, cause=type(_root(error)).__name__)
    return Lost(stage, reason)


def _root(error: BaseException) -> BaseException:
    """Return the root cause. Log only its type: its text may contain an address or a header."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


_EXPIRED, _NOT_YET_VALID, _WRONG_HOST, _WRONG_ADDRESS = 10, 9, 62, 64  # X509_V_ERR_* of OpenSSL
_CERTIFICATE = {
    _EXPIRED: "the TLS certificate of the server, or of the authority that signed it, has expired",
    _NOT_YET_VALID: "the server's TLS certificate is not valid yet",
    _WRONG_HOST: "the server's TLS certificate is for another host",
    _WRONG_ADDRESS: "the server's TLS certificate is for another host",
}


def _why_not_trusting(ca_file: str) -> str:
    """Return why the file of authorities, which the start has checked, can no longer be used, or ""."""
    if not ca_file:
        return ""
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError:  # ssl.SSLError is one
        return "the file CERBY_CA_FILE is missing or holds no certificate in PEM form"
    return ""


def _why_not_connected(error: BaseException) -> str:
    root = _root(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        untrusted = "the server's TLS certificate is not trusted (CERBY_CA_FILE names a private authority)"
        return _CERTIFICATE.get(root.verify_code, untrusted)
    if isinstance(root, ssl.SSLError):
        return "no TLS connection could be made"
    return "no connection could be made"
