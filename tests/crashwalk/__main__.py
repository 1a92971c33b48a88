"""Set up Django and run the command: ``python -m tests.crashwalk --help``."""

from __future__ import annotations

import os
import sys

import django


def main() -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from tests.crashwalk.command import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
