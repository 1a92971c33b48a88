"""Run ``manage.py`` with MAC keys that last two seconds: ``python -m tests.support.fast_epochs worker``."""

from __future__ import annotations

import sys

from django.core.management import execute_from_command_line

from keys.tlog import mac_ratchet

SECONDS = 2

if __name__ == "__main__":
    mac_ratchet.EPOCH_SECONDS = SECONDS
    execute_from_command_line(sys.argv)
