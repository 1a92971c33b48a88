"""Run the background jobs: enqueue what is due, and work off each queue in a thread of its own."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error

from keys.evidence.policy_as_of import note_policy
from keys.jobs import sealing
from keys.jobs.outage import OutageLoop
from keys.jobs.queue_worker import LOOK_EVERY, QueueWorker
from keys.jobs.schedule import enqueue_due, make_rows

TICK_SECONDS = 1.0
IDLE_SECONDS, TASK_SECONDS = 2.0, 6.0
"""How long threads get to end: those that work at no task, and those that do. The latter is longer than one
waits for a connection, and so than it takes to notice that the database is away; and shorter than what stops
services waits before it kills.
"""
TO_END = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT}


class Command(BaseCommand):
    help = "Run the background jobs until SIGTERM. Any number of workers may run, on any number of machines."

    def handle(self, *_: Any, **__: Any) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, TO_END)  # for the threads as well: they inherit it
        patience = OutageLoop()
        lanes = [QueueWorker(queue) for queue in settings.TASKS["default"]["QUEUES"]]
        loops = [lambda: _clock(patience), lambda: sealing.run(patience)]
        loops += [_loop(lane, patience) for lane in lanes]
        threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        signal.sigwait(TO_END)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TO_END)  # a second one ends it at once
        patience.stop.set()
        for lane in lanes:
            lane.running = False
        _wait_for(threads, lanes, patience)
        if not patience.database_is_away:
            with suppress(Error):
                for lane in lanes:
                    lane.put_back()


def _clock(patience: OutageLoop) -> None:
    """Every second, enqueue what is due; the first time, see to what that needs."""
    begun = False

    def tick() -> None:
        nonlocal begun
        if not begun:
            make_rows()
            note_policy()
            begun = True
        enqueue_due()

    patience.repeat(tick, every=TICK_SECONDS, failed="enqueuing_failed")


def _loop(lane: QueueWorker, patience: OutageLoop) -> Callable[[], None]:
    return lambda: patience.repeat(lane.run, every=LOOK_EVERY, failed="lane_failed")


def _wait_for(
    threads: Sequence[threading.Thread], lanes: Sequence[QueueWorker], patience: OutageLoop
) -> None:
    """Nobody waits for a task while the database is away: it cannot be noted then that it is done."""
    began = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        at_work = any(lane.running_task for lane in lanes) and not patience.database_is_away
        if time.monotonic() - began > (TASK_SECONDS if at_work else IDLE_SECONDS):
            return
        time.sleep(0.05)
