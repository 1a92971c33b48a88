"""Bring the database, the cache table, the static files and the demo people up to date, in one process.

Standard output carries only what ``seed_demo`` says: the sign-in table. All else goes to standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module

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
        call_command("collectstatic", interactive=False)
    if with_demo:
        seed = import_module("sandbox.launcher.seed_demo")  # models can be imported only after setup
        print(seed.seed_demo(os.environ.get("DEMO_PASSWORD", "")))


if __name__ == "__main__":
    try:
        main(with_demo="--with-demo" in sys.argv[1:])
    except (CommandError, RunError) as error:
        sys.exit(str(error))  # a sentence for a person, without the way it took
