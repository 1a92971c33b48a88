"""How gunicorn serves the portal. It reads FORWARDED_ALLOW_IPS by itself: the proxies whose headers count."""  # noqa: N999  gunicorn's own name for it

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connections

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
preload_app = True  # one import for all workers, and a broken one ends the start instead of looping

timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 10_000  # a leak somewhere below stays small
max_requests_jitter = 1_000

limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 8_190

control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  heartbeats off the disk
accesslog = None  # the portal logs its requests itself, by allowed fields
errorlog = "-"
loglevel = "warning"


def pre_fork(_server: Arbiter, _worker: Worker) -> None:
    """Workers share no database connection, and no pool: its threads would not be in the new process."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()
