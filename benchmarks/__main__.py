"""Run the benchmarks."""

from __future__ import annotations

import os

import django

from benchmarks.choices import CHOSEN

os.environ |= {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "BENCH_DATABASE": CHOSEN.database}
django.setup()

from benchmarks.run import main  # noqa: E402 - importing models needs the settings

main()
