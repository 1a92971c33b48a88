"""Run the tasks of one queue in a thread, so that a slow queue does not delay the others."""

from __future__ import annotations

from django.utils.crypto import get_random_string
from django_tasks import TaskResultStatus
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from portal.frames import with_room

POLL_SECONDS = 1.0


class QueueWorker(Worker):
    """The worker of django-tasks-db without its signal handlers, which belong to the main thread.

    Set ``running = False`` to end it after its current task. ``running_task`` says whether it runs one.
    """

    def __init__(self, queue: str) -> None:
        super().__init__(
            queue_names=[queue],
            interval=POLL_SECONDS,
            batch=False,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )

    @with_room
    def run(self) -> None:
        """Run until stopped. Database errors are raised; the caller may call ``run`` again."""
        self.put_back()
        super().run()

    def put_back(self) -> None:
        """Mark this worker's interrupted tasks as ready, so that this or another worker starts them again."""
        for task in DBTaskResult.objects.running().filter(queue_name__in=self.queue_names):
            if task.worker_ids[-1] == self.worker_id:  # the last worker that took it
                DBTaskResult.objects.filter(pk=task.pk).update(status=TaskResultStatus.READY)
