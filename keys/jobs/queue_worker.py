"""Work off one queue, one task after the other, in a thread: what one queue waits for holds up no other."""

from __future__ import annotations

from django.utils.crypto import get_random_string
from django_tasks import TaskResultStatus
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

LOOK_EVERY = 1.0
"""Seconds."""


class QueueWorker(Worker):
    """The engine's worker, without its signal handlers: those are the main thread's.

    ``running = False`` ends it after the task that it works at; ``running_task`` says whether there is one.
    """

    def __init__(self, queue: str) -> None:
        super().__init__(
            queue_names=[queue],
            interval=LOOK_EVERY,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )

    def run(self) -> None:
        """Until told to end. Raises what the database raises; call it again then."""
        self.put_back()
        super().run()

    def put_back(self) -> None:
        """What was broken off would stand as running for good: let it be begun again, here or elsewhere."""
        for task in DBTaskResult.objects.running().filter(queue_name__in=self.queue_names):
            if task.worker_ids[-1] == self.worker_id:  # the last who took it
                DBTaskResult.objects.filter(pk=task.pk).update(status=TaskResultStatus.READY)
