"""HTTPS requests to addresses that a setting names: the one place that sends what the portal knows elsewhere.

Whoever may change such a setting must not reach what only the portal's machine can. So every address that
the name has must be a public one, the connection goes to the very address that was checked, a redirect is
not followed, and no proxy of the environment is asked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import requests

from keys.delivery.deadline import DeadlineAdapter, timeouts
from keys.rules.errors import PortalError

CONNECT, RESPONSE, TOTAL = 3.0, 10.0, 15.0
"""Seconds to connect, to wait for the status and headers, and for the whole exchange."""


class NotDelivered(PortalError):
    title = "Not delivered"


class _Pinned(DeadlineAdapter):
    """Connects to an address, and checks the certificate of ``host`` all the same.

    Trusts the authorities of this machine beside requests' own: a log server within the organisation has its
    certificate from the organisation.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"server_hostname": self._host, "ssl_context": ssl.create_default_context()}
        super().init_poolmanager(*args, **kwargs)


def post(url: str, body: bytes, *, content_type: str, private: bool = False, token: str = "") -> None:
    """POST ``body`` to ``url``, which must be an HTTPS one; ``private`` allows it a private address.

    ``token`` is sent as a bearer token.

    Raises ``NotDelivered`` with a sentence where the answer is not 2xx, or there is none.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme != "https" or not host:
        raise NotDelivered("The address is not an HTTPS one.")
    address = _address_of(host, port, private=private)
    literal = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{literal}:{port}").geturl()
    headers = {"Host": host if port == 443 else f"{host}:{port}", "Content-Type": content_type}  # noqa: PLR2004 - HTTPS
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _Pinned(host))
        began = time.monotonic()
        try:
            timeout = timeouts(connect=CONNECT, response=RESPONSE, total=TOTAL)
            with session.post(
                target, data=body, headers=headers, timeout=timeout, allow_redirects=False, stream=True
            ) as answer:
                status = answer.status_code  # the body is not read
        except (requests.RequestException, OSError) as error:
            raise NotDelivered(_late(host, began) or _why(host, error)) from error
    if not requests.codes.ok <= status < requests.codes.multiple_choices:
        raise NotDelivered(f"{host} answered {status}.")


def _why(host: str, error: BaseException) -> str:
    """The library wraps what TLS has to say of a certificate, several times over."""
    ahead: list[object] = [error]
    while ahead:
        cause = ahead.pop()
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of {host} is not trusted: {cause.verify_message.rstrip('.')}."
        if isinstance(cause, BaseException):
            ahead += [cause.__cause__, *cause.args]
    return f"{host} did not take it: {type(error).__name__}."


def _late(host: str, began: float) -> str:
    """A sentence where there was no time left; else nothing."""
    return f"{host} did not take it within {TOTAL:.0f} seconds." if time.monotonic() - began >= TOTAL else ""


def _address_of(host: str, port: int, *, private: bool) -> str:
    """One of the addresses of ``host``, all of which are public unless ``private``."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"The name {host} is not known.") from error
    parsed = [ipaddress.ip_address(str(address).partition("%")[0]) for address in found]
    addresses = sorted(parsed, key=lambda address: (address.version, str(address)))
    inner = [address for address in addresses if not _is_public(address)]
    if inner and not private:
        raise NotDelivered(f"{host} has the address {inner[0]}, which is not a public one.")
    return str(addresses[0])


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Also where IPv6 wraps an IPv4 address: what counts is where the connection ends."""
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if within is not None or address in ipaddress.ip_network("64:ff9b::/96"):
            return within is not None and _is_public(within)
    return address.is_global and not address.is_multicast
