"""Configure gunicorn. It reads FORWARDED_ALLOW_IPS, the trusted proxies, from the environment itself."""  # noqa: N999  gunicorn's own name for it

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
threads = 16  # portal.conf.WEB_THREADS: this file is read before the portal can be imported
preload_app = True  # import once for all workers; if the import fails, the start fails too instead of looping

timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 10_000  # limits the effect of a memory leak in a library
max_requests_jitter = 1_000

limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 8_190

control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 keeps heartbeats off the disk
accesslog = None  # the portal writes its own request log
errorlog = "-"
loglevel = "warning"


def pre_fork(_server: Arbiter, _worker: Worker) -> None:
    """Close the database connections before each fork: workers must not share a connection.

    A pool must be closed too, because its threads don't survive the fork.
    """
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()
