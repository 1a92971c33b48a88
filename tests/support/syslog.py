"""Syslog servers for one test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def tcp_server() -> Iterator[tuple[str, list[bytes]]]:
    """Accept one connection. Yield the address and the chunks received, complete after the block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        received: list[bytes] = []

        def receive() -> None:
            connection, _ = server.accept()
            with connection:
                while chunk := connection.recv(65536):
                    received.append(chunk)

        thread = threading.Thread(target=receive)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", received
        thread.join()


@contextmanager
def udp_server() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the address and a function that waits for the next datagram and returns it as text."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield f"udp://127.0.0.1:{server.getsockname()[1]}", lambda: server.recv(65536).decode()
