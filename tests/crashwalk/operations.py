"""Count a process's lasting operations, and kill it right before one or stop it right after one.

Three operations last when a process dies: a commit, sending bytes to Cerby, and receiving bytes from Cerby.
Between two of them only memory changes, so a crash after one equals a crash before the next. They are counted
outside the portal's code: at Django's connection (``commit``, and statements outside a transaction, which commit
themselves) and at ``socket.socket``. No code of the portal is replaced.

"ask" is a request that changes nothing in Cerby, such as GET.

Before it dies at an answer, the process waits until the answer has arrived: Cerby has done its work, and nobody
has read the answer. Faults of the sandbox cover the cases in which Cerby does its work later or never.
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
    """Count operations from 1, and call ``tell`` after each.

    The process dies before operation ``die_at``, or waits for SIGCONT after operation ``stop_after``; 0 means
    never. It stops only when the next database or network call begins. If it stopped before a commit, or
    before an INSERT has returned its id, it would hold SQLite's only lock and block every other process.
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
    """Count all operations until the process ends."""
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
    """Count requests and answers. An answer in several pieces counts once."""
    send, receive = socket.socket.send, socket.socket.recv_into
    asked: WeakSet[socket.socket] = WeakSet()

    def counted_send(sock: socket.socket, data: memoryview, *args: Any) -> int:
        asked.add(sock)
        return operations.do("ask" if bytes(data[:4]) == b"GET " else "send", lambda: send(sock, data, *args))

    def counted_receive(sock: socket.socket, *args: Any) -> int:
        if sock not in asked:
            return receive(sock, *args)
        asked.discard(sock)

        def wait() -> None:
            select.select([sock], [], [], sock.gettimeout())

        return operations.do("receive", lambda: receive(sock, *args), before_death=wait)

    socket.socket.send = counted_send
    socket.socket.recv_into = counted_receive
