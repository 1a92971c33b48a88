"""Bring the database, the cache table, the static files and the demo people up to date, in one process.

Only the sign-in table goes to standard output. All other output goes to standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys

import django
from django.core.management import CommandError, call_command

from sandbox.launcher.processes import RunError


def main(*, with_demo: bool) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    with contextlib.redirect_stdout(sys.stderr):
        call_command("check")
        call_command("migrate", interactive=False)
        call_command("createcachetable")
        # Start from an empty folder: a file that is older than its collected copy would not be copied.
        call_command("collectstatic", interactive=False, clear=True)
    if with_demo:
        from sandbox.launcher.seed_demo import seed_demo  # noqa: PLC0415 - imports models, after the set-up

        print(seed_demo(os.environ.get("DEMO_PASSWORD", "")))


if __name__ == "__main__":
    try:
        main(with_demo="--with-demo" in sys.argv[1:])
    except (CommandError, RunError) as error:
        sys.exit(str(error))  # one sentence, without a traceback
