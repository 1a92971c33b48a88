"""Choose a port for a server that starts later."""

from __future__ import annotations

import secrets
import socket

BELOW_CONNECTIONS = range(20_000, 32_000)
"""The system takes the local ports of connections, and of servers that ask for any port, from 32768 on."""


def free_port() -> int:
    """Return a port that is free, and that the system gives to nobody else before the server starts."""
    while True:
        port = secrets.choice(BELOW_CONNECTIONS)  # random.choice is the same in each worker of pytest
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
