"""Run the background jobs: enqueue what is due, and work off what is enqueued."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections
from django.utils.crypto import get_random_string
from django_tasks_db.management.commands.db_worker import Worker

from keys.evidence.policy_then import note_policy
from keys.jobs import sealing
from keys.jobs.schedule import enqueue_due, make_rows

TICK_SECONDS = 1.0

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Run the background jobs until SIGTERM. Any number of workers may run, on any number of machines."

    def handle(self, *_: Any, **__: Any) -> None:
        make_rows()
        note_policy()
        stop = threading.Event()
        clock = threading.Thread(target=_tick, args=[stop], daemon=True)
        clock.start()
        sealer = threading.Thread(target=sealing.run, args=[stop], daemon=True)
        sealer.start()
        worker = Worker(
            queue_names=["default"],
            interval=TICK_SECONDS,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )
        worker.configure_signals()
        try:
            worker.run()
        finally:
            stop.set()
            clock.join(timeout=5)
            sealer.join(timeout=5)


def _tick(stop: threading.Event) -> None:
    """Every second, enqueue what is due. A database that is away for a while is asked again."""
    while not stop.wait(TICK_SECONDS):
        close_old_connections()
        try:
            enqueue_due()
        except DatabaseError:
            logger.exception("the_clock_could_not_ask_the_database")
