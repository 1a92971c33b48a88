"""Count what a process does for good, and die right before one of it.

Three things last when a process dies: a commit, bytes that Cerby has been sent, bytes that Cerby has sent. Between
two of them only memory changes, so that dying after one is dying before the next. They are counted where the portal's
own code ends: at Django's connection (``commit``, and statements outside of a transaction, which commit by
themselves) and at ``socket.socket``. Nothing of the portal is replaced.

Before it dies at an answer, the process waits until that answer has come: Cerby has done its work by then, and
nobody has read what it says. That Cerby does its work later, or never, are faults of the sandbox's.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from django.db.backends.base.base import BaseDatabaseWrapper

WRITES = ("INSERT", "UPDATE", "DELETE")
PATIENCE = 5.0  # seconds to wait for an answer that nobody will read


class Operations:
    """Counts from 1. ``die_at``: the operation that is not reached; None: none. ``tell`` hears of each."""

    def __init__(self, die_at: int | None, tell: Callable[[str], None]) -> None:
        self.count = 0
        self._die_at = die_at
        self._tell = tell

    def next(self, what: str, *, before_death: Callable[[], object] = lambda: None) -> None:
        self.count += 1
        if self.count == self._die_at:
            before_death()
            os.kill(os.getpid(), signal.SIGKILL)
        self._tell(what)


def watch(operations: Operations, connection: BaseDatabaseWrapper) -> None:
    """Count from now on, for the rest of this process's life."""
    _watch_database(operations, connection)
    _watch_sockets(operations)


def _watch_database(operations: Operations, connection: BaseDatabaseWrapper) -> None:
    commit = connection.commit

    def counted_commit() -> None:
        operations.next("commit")
        commit()

    def counted_statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(WRITES) and not connection.in_atomic_block:
            operations.next("statement")
        return execute(sql, params, many, context)

    connection.commit = counted_commit
    connection.execute_wrappers.append(counted_statement)


def _watch_sockets(operations: Operations) -> None:
    """An answer counts once, however many pieces it comes in."""
    send, receive = socket.socket.sendall, socket.socket.recv_into
    asked: WeakSet[socket.socket] = WeakSet()

    def counted_send(sock: socket.socket, *args: Any) -> None:
        operations.next("send")
        asked.add(sock)
        send(sock, *args)

    def counted_receive(sock: socket.socket, *args: Any) -> int:
        if sock in asked:
            asked.discard(sock)
            operations.next("receive", before_death=lambda: select.select([sock], [], [], PATIENCE))
        return receive(sock, *args)

    socket.socket.sendall = counted_send
    socket.socket.recv_into = counted_receive
