"""Keep this node part of the portal: once a second, in a thread of the worker."""

from __future__ import annotations

import threading
from contextlib import suppress

import structlog
from django.db import Error

from keys.actions.safeguards.rollback_guard import check_for_rollback
from keys.audit import chain, forgeries, node, signer
from keys.jobs.outage import OutageLoop

BEAT_EVERY = 1.0
"""Seconds."""

logger = structlog.get_logger(__name__)


class Heartbeat:
    """``ready`` is set while this node may work: it has checked the database and has the MAC chain."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self._has_started = False
        self._sentence = ""

    def run(self, loop: OutageLoop) -> None:
        loop.repeat(self.beat, every=BEAT_EVERY, failed="heartbeat_failed", first_after=0)

    def beat(self) -> None:
        """Check the database, remember the tree, tell the other nodes, and hand them the MAC chain."""
        sentence = chain.join()
        if not sentence:
            check_for_rollback()
        agreed, refusal = signer.agree()
        unchecked = forgeries.checked().unchecked
        node.see(agreed=agreed, refusal=refusal, unchecked=unchecked, has_started=not self._has_started)
        self._has_started = True
        if sentence:
            self.ready.clear()
            if sentence != self._sentence:
                logger.error("node_not_ready")
        else:
            chain.answer_requests()
            self.ready.set()
        self._sentence = sentence

    def leave(self) -> None:
        with suppress(Error, OSError):
            node.leave()
