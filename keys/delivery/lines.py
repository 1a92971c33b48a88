"""Deliver lines of text to a file or to syslog."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from keys.rules.formatting import utc_microseconds

SYSLOG_TIMEOUT = 5.0
"""Seconds to connect, and seconds to send all messages."""
NOTICE, AUDIT = 5, 13
"""Severity and facility of RFC 5424, 6.2.1."""


def append_to_file(path: str, data: bytes) -> None:
    """Append ``data``, which is whole lines, to the file. Append-only files (chattr +a) work as well.

    If an earlier write left an unfinished line, for example on a full disk, end that line first. Raises
    ``OSError``.
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
    """Send RFC 5424 messages to an address such as udp://host:514.

    TCP uses octet counting (RFC 6587, 3.4.1). Raises ``OSError``; a lost UDP message is not noticed.
    """
    parts = urlsplit(address)
    target = (str(parts.hostname), int(parts.port or 0))
    lines = [_message(kind, at, text) for at, text in messages]
    if parts.scheme == "tcp":
        with socket.create_connection(target, timeout=SYSLOG_TIMEOUT) as connection:
            connection.sendall(b"".join(f"{len(line)} ".encode() + line for line in lines))
        return
    family, kind_of_socket, _, _, resolved = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind_of_socket) as sender:
        for line in lines:
            sender.sendto(line, resolved)


def _message(kind: str, at: datetime, text: str) -> bytes:
    priority = AUDIT * 8 + NOTICE
    header = f"<{priority}>1 {utc_microseconds(at)} {socket.gethostname()} key-portal {os.getpid()} {kind} -"
    return f"{header} {text}".encode()
