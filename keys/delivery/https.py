"""Send HTTPS requests to URLs from the settings, without server-side request forgery.

A person who may change such a setting must not be able to reach services that only the portal's machine can
reach. So all addresses of the host must be public, the connection is made to the address that was checked,
redirects are not followed, and proxies from the environment are ignored.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from keys.delivery.deadline import DeadlineAdapter, timeouts
from keys.rules.errors import PortalError
from portal.variables import is_loopback

_SPECIAL_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
"""IANA, "IPv4 Special-Purpose Address Registry", and multicast. Also the globally reachable blocks of the
registry, because no log server is there. 255.255.255.255 is in the last block."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""IANA, "IPv6 Address Space": the only global unicast addresses. Others are public only if ``_EMBEDDING``."""
_SPECIAL_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"),
    )
)
"""IANA, "IPv6 Special-Purpose Address Registry", within ``_UNICAST``. 2001::/23 includes Teredo and ORCHID.
6to4 addresses (2002::/16) embed an IPv4 address, which is checked."""
_EMBEDDING = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
"""IPv4-mapped and NAT64 addresses: the last 32 bits are an IPv4 address, which is checked."""

CONNECT, RESPONSE, TOTAL = 3.0, 10.0, 15.0
"""Seconds to connect, to wait for the status and headers, and for the whole exchange of ``post``."""
CHUNK = 16_384


class NotDelivered(PortalError):
    """``answered``: the status of the answer, or 0 if there was none."""

    title = "Not delivered"

    def __init__(self, sentence: str, *, answered: int = 0) -> None:
        super().__init__(sentence)
        self.answered = answered


class NotPublic(NotDelivered):
    """The host has a private address."""


class NotTrusted(NotDelivered):
    """The host's certificate is from no known authority, or is not valid."""


def remedy(error: BaseException | None, settings_prefix: str) -> str:
    """Say which setting to change after an ``exchange`` failed, or "" if no setting helps."""
    if isinstance(error, NotPublic):
        return f"If it is in your own network, set {settings_prefix}_PRIVATE=true."
    if isinstance(error, NotTrusted):
        ca_file = f"{settings_prefix}_CA_FILE"
        return f"If its certificate is from your own authority, set {ca_file} to a file with that authority."
    return ""


@dataclass(frozen=True)
class Answer:
    """``location`` and ``date`` are headers, or ""."""

    status: int
    body: bytes
    location: str = ""
    date: str = ""


class _Pinned(DeadlineAdapter):
    """Connect to an IP address, but check the certificate for ``host``.

    The machine's certificate authorities are trusted in addition to requests' own, because a log server
    inside the organisation may have a certificate from the organisation. ``ca_file`` replaces them.
    """

    def __init__(self, host: str, ca_file: str = "") -> None:
        self._host, self._ca_file = host, ca_file
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"server_hostname": self._host, "ssl_context": _trusting(self._ca_file)}
        super().init_poolmanager(*args, **kwargs)


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return the context for ``ca_file``, or for the machine's authorities. A changed file is read again."""
    file = ca_file or ssl.get_default_verify_paths().cafile
    return _read_authorities(ca_file, file, Path(file).stat().st_mtime_ns if file else 0)


@lru_cache(maxsize=8)
def _read_authorities(ca_file: str, _file: str | None, _changed_at: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)  # takes 20 ms, and each delivery needs one


def post(
    url: str,
    body: bytes,
    *,
    content_type: str,
    private: bool = False,
    token: str = "",
    headers: Mapping[str, str] | None = None,
) -> None:
    """POST ``body`` to an HTTPS ``url``. ``token`` is a bearer token; ``private`` allows private addresses.

    Raises ``NotDelivered``, with the reason as a sentence, unless the answer is 2xx.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme != "https" or not host:
        raise NotDelivered("The address is not an HTTPS URL.")
    address = _resolve(host, port, private=private)
    literal = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{literal}:{port}").geturl()
    sent = {"Host": host if port == 443 else f"{host}:{port}", "Content-Type": content_type}  # noqa: PLR2004 - HTTPS
    if token:
        sent["Authorization"] = f"Bearer {token}"
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _Pinned(host))
        began = time.monotonic()
        try:
            timeout = timeouts(connect=CONNECT, response=RESPONSE, total=TOTAL)
            with session.post(
                target,
                data=body,
                headers=sent | dict(headers or {}),
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code  # the body is not read
        except (requests.RequestException, OSError) as error:
            late = time.monotonic() - began >= TOTAL
            failure = _failure(host, error, "did not accept the data")
            raise (_too_late(host) if late else failure) from error
    if not requests.codes.ok <= status < requests.codes.multiple_choices:
        raise NotDelivered(f"{host} answered {status}.", answered=status)


def check_reachable(url: str, *, private: bool = False) -> None:
    """Raise ``NotDelivered`` if the host of ``url`` has no address, or one that may not be called.

    The address is checked again at each delivery.
    """
    parts = urlsplit(url)
    _resolve(parts.hostname or "", parts.port or 443, private=private)


def exchange(
    url: str,
    *,
    seconds: float,
    largest: int,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    private: bool = False,
    loopback: bool = False,
    ca_file: str = "",
) -> Answer:
    """GET ``url``, or POST ``form`` to it, and return the answer, whatever its status.

    ``seconds`` limits the whole exchange and ``largest`` the body, in bytes. ``loopback`` allows plain
    HTTP to this machine. ``ca_file``: certificate authorities to trust instead of the usual ones. Raises
    ``NotDelivered``, with the reason as a sentence.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    plain = loopback and parts.scheme == "http" and is_loopback(host)
    if not host or not (plain or parts.scheme == "https"):
        raise NotDelivered("The address is not an HTTPS URL.")
    port = parts.port or (80 if plain else 443)
    address = _resolve(host, port, private=private or plain)
    literal = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{literal}:{port}").geturl()
    sent = {
        "Host": parts.netloc.rpartition("@")[2],
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", _Pinned(host, ca_file))
            session.mount("http://", DeadlineAdapter())
            with session.request(
                "GET" if form is None else "POST",
                target,
                data=form,
                headers=sent | dict(headers or {}),
                timeout=timeouts(connect=min(CONNECT, seconds), response=seconds, total=seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = _body(answer, host, largest)
                named = (answer.headers.get(name, "") for name in ("Location", "Date"))
                return Answer(answer.status_code, body, *named)
    except (requests.RequestException, OSError, HTTPError) as error:
        raise _failure(host, error, "did not answer") from error


def _body(answer: requests.Response, host: str, largest: int) -> bytes:
    body = b""
    for chunk in answer.iter_content(CHUNK):
        body += chunk
        if len(body) > largest:
            raise NotDelivered(f"The answer of {host} is longer than {largest:,} bytes.")
    return body


def _failure(host: str, error: BaseException, said: str) -> NotDelivered:
    """Return the error to raise, with the reason. The library wraps a certificate error several times."""
    causes: list[object] = [error]
    while causes:
        cause = causes.pop()
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message.rstrip(".")
            return NotTrusted(f"The certificate of {host} is not trusted: {reason}.")
        if isinstance(cause, BaseException):
            causes += [cause.__cause__, *cause.args]
    return NotDelivered(f"{host} {said}: {type(error).__name__}.")


def _too_late(host: str) -> NotDelivered:
    return NotDelivered(f"{host} did not accept the data within {TOTAL:.0f} seconds.")


def _resolve(host: str, port: int, *, private: bool) -> str:
    """Return an address of ``host``. Unless ``private``, all of its addresses must be public."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"The name {host} is not known.") from error
    parsed = [ipaddress.ip_address(str(address)) for address in found]
    addresses = sorted(parsed, key=lambda address: (address.version, str(address)))
    internal = [address for address in addresses if not _is_public(address)]
    if internal and not private:
        raise NotPublic(f"{host} has the address {internal[0]}, which is not public.")
    return str(addresses[0]).partition("%")[0]


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether ``address`` is public. An IPv4 address inside an IPv6 address must be public as well."""
    if isinstance(address, ipaddress.IPv4Address):
        return not _is_in(address, _SPECIAL_V4)
    if address.scope_id is not None or _is_in(address, _SPECIAL_V6):
        return False
    if address in _UNICAST:
        return address.sixtofour is None or _is_public(address.sixtofour)
    return any(address in network and _is_public(_last_32_bits(address)) for network in _EMBEDDING)


def _is_in(address: Any, networks: tuple[Any, ...]) -> bool:
    return any(address in network for network in networks)


def _last_32_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
