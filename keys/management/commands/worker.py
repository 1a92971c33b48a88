"""Run the background jobs: enqueue those that are due and run each queue in its own thread."""

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

from keys.audit.erasures import list_earlier_erasures
from keys.checks import end_if_refused
from keys.evidence.policy_as_of import note_policy
from keys.jobs import sealing
from keys.jobs.node import Heartbeat
from keys.jobs.outage import OutageLoop
from keys.jobs.queue_worker import POLL_SECONDS, QueueWorker
from keys.jobs.schedule import enqueue_due, make_rows

TICK_SECONDS = 1.0
READY_SECONDS = 0.1
IDLE_SECONDS, TASK_SECONDS = 2.0, 6.0
"""How long to wait at the end for threads without and with a running task.

``TASK_SECONDS`` is longer than a connection's time-out, after which a thread notices that the database is
away, and shorter than the time after which service managers kill the process.
"""
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT}


class Command(BaseCommand):
    help = "Run the background jobs until SIGTERM. Any number of workers may run, on any number of machines."

    requires_system_checks = ()  # ``end_if_refused`` runs them

    def handle(self, *_: Any, **__: Any) -> None:
        end_if_refused()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # the threads inherit the mask
        loop = OutageLoop()
        workers = [QueueWorker(queue) for queue in settings.TASKS["default"]["QUEUES"]]
        heartbeat = Heartbeat()
        targets = [_enqueue(loop), lambda: sealing.run(loop)]
        targets += [_work_on(worker, loop) for worker in workers]
        targets = [lambda: heartbeat.run(loop), *(_once(heartbeat, target, loop) for target in targets)]
        threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        signal.sigwait(STOP_SIGNALS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # a second signal ends the process at once
        loop.stop.set()
        for worker in workers:
            worker.running = False
        _wait_for(threads, workers, loop)
        if not loop.database_is_away:
            with suppress(Error):
                for worker in workers:
                    worker.put_back()
            heartbeat.leave()


def _once(heartbeat: Heartbeat, target: Callable[[], None], loop: OutageLoop) -> Callable[[], None]:
    """Start ``target`` after the first heartbeat, because this node may not work before."""

    def run() -> None:
        while not heartbeat.ready.wait(READY_SECONDS):
            if loop.stop.is_set():
                return
        target()

    return run


def _enqueue(loop: OutageLoop) -> Callable[[], None]:
    """Every second, enqueue the jobs that are due. Before the first time, create what they need."""
    is_prepared = False

    def tick() -> None:
        nonlocal is_prepared
        if not is_prepared:
            make_rows()
            note_policy()
            list_earlier_erasures()
            is_prepared = True
        enqueue_due()

    return lambda: loop.repeat(tick, every=TICK_SECONDS, failed="enqueuing_failed")


def _work_on(worker: QueueWorker, loop: OutageLoop) -> Callable[[], None]:
    return lambda: loop.repeat(worker.run, every=POLL_SECONDS, failed="queue_failed")


def _wait_for(threads: Sequence[threading.Thread], workers: Sequence[QueueWorker], loop: OutageLoop) -> None:
    """Wait until the threads end or their time is up.

    If the database is away, don't wait for running tasks: their results cannot be stored.
    """
    began = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        is_working = any(worker.running_task for worker in workers) and not loop.database_is_away
        if time.monotonic() - began > (TASK_SECONDS if is_working else IDLE_SECONDS):
            return
        time.sleep(0.05)
