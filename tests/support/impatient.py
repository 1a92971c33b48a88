"""Run ``manage.py`` with a worker that stops its tasks after a second: ``python -m tests.support.impatient worker``."""

from __future__ import annotations

import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    import django

    django.setup()
    from keys.management.commands import worker

    worker.TASK_SECONDS = 1.0
    execute_from_command_line(sys.argv)
