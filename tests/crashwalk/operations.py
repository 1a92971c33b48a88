"""Count what a process does for good, and die right before one of it, or stop right after it.

Three things last when a process dies: a commit, bytes that Cerby has been sent, bytes that Cerby has sent. Between
two of them only memory changes, so that dying after one is dying before the next. They are counted where the portal's
own code ends: at Django's connection (``commit``, and statements outside of a transaction, which commit by
themselves) and at ``socket.socket``. Nothing of the portal is replaced.

A question ("ask") is a request that changes nothing in Cerby, as HTTP says of GET.

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


class Operations:
    """Counts from 1. ``die_at``: the operation that is not reached; ``stop_after``: the one after which the
    process waits for a SIGCONT. 0: neither. ``tell`` hears of each that is done.

    It stops where the next thing begins that is no memory: in front of a commit it would hold SQLite's only lock,
    as it would while an INSERT still has its id to tell, and nothing else could go on.
    """

    def __init__(self, tell: Callable[[str], None], *, die_at: int = 0, stop_after: int = 0) -> None:
        self._count = 0
        self._die_at, self._stop_after = die_at, stop_after
        self._stop_is_due = False
        self._tell = tell

    def stop_if_due(self) -> None:
        if self._stop_is_due:
            self._stop_is_due = False
            os.kill(os.getpid(), signal.SIGSTOP)

    def do(self, what: str, act: Callable[[], Any], *, before_death: Callable[[], Any] = lambda: None) -> Any:
        self.stop_if_due()
        self._count += 1
        if self._count == self._die_at:
            before_death()
            os.kill(os.getpid(), signal.SIGKILL)
        result = act()
        self._tell(what)
        self._stop_is_due = self._count == self._stop_after
        return result


def watch(operations: Operations, connection: BaseDatabaseWrapper) -> None:
    """Count from now on, for the rest of this process's life."""
    _watch_database(operations, connection)
    _watch_sockets(operations)


def _watch_database(operations: Operations, connection: BaseDatabaseWrapper) -> None:
    commit = connection.commit

    def counted_commit() -> None:
        operations.do("commit", commit)

    def counted_statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        operations.stop_if_due()
        if connection.in_atomic_block or not sql.lstrip().upper().startswith(WRITES):
            return execute(sql, params, many, context)
        return operations.do("statement", lambda: execute(sql, params, many, context))

    connection.commit = counted_commit
    connection.execute_wrappers.append(counted_statement)


def _watch_sockets(operations: Operations) -> None:
    """An answer counts once, however many pieces it comes in."""
    send, receive = socket.socket.sendall, socket.socket.recv_into
    asked: WeakSet[socket.socket] = WeakSet()

    def counted_send(sock: socket.socket, data: bytes, *args: Any) -> None:
        asked.add(sock)
        operations.do("ask" if data[:4] == b"GET " else "send", lambda: send(sock, data, *args))

    def counted_receive(sock: socket.socket, *args: Any) -> int:
        if sock not in asked:
            return receive(sock, *args)
        asked.discard(sock)

        def wait() -> None:
            select.select([sock], [], [], sock.gettimeout())

        return operations.do("receive", lambda: receive(sock, *args), before_death=wait)

    socket.socket.sendall = counted_send
    socket.socket.recv_into = counted_receive
