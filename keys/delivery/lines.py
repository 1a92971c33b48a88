"""Ways out of the portal for lines of text: the end of a file, and syslog. HTTPS is keys.delivery.https's."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from keys.rules.formatting import utc_microseconds

SYSLOG_TIMEOUT = 5.0
"""Seconds to connect, and for all that is sent together."""
NOTICE, AUDIT = 5, 13
"""Severity and facility of RFC 5424, 6.2.1."""


def append_to_file(path: str, data: bytes) -> None:
    """Add ``data``, whole lines, to the end of ``path``; it may be one that its owner can only append to.

    A line that an earlier write left unfinished, as on a full disk, is ended first. Raises ``OSError``.
    """
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        size = os.fstat(file).st_size
        rest = data if not size or os.pread(file, 1, size - 1) == b"\n" else b"\n" + data
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def send_to_syslog(address: str, kind: str, messages: Sequence[tuple[datetime, str]]) -> None:
    """Send RFC 5424 messages to such as udp://host:514; over TCP with octet counts (RFC 6587, 3.4.1).

    Raises ``OSError``. That a UDP message arrives, nobody knows.
    """
    parts = urlsplit(address)
    target = (str(parts.hostname), int(parts.port or 0))
    lines = [_message(kind, at, text) for at, text in messages]
    if parts.scheme == "tcp":
        with socket.create_connection(target, timeout=SYSLOG_TIMEOUT) as connection:
            connection.sendall(b"".join(f"{len(line)} ".encode() + line for line in lines))
        return
    family, how, _, _, where = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, how) as sender:
        for line in lines:
            sender.sendto(line, where)


def _message(kind: str, at: datetime, text: str) -> bytes:
    priority = AUDIT * 8 + NOTICE
    header = f"<{priority}>1 {utc_microseconds(at)} {socket.gethostname()} key-portal {os.getpid()} {kind} -"
    return f"{header} {text}".encode()
