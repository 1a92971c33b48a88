"""`make bench`."""

from __future__ import annotations

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

from benchmarks.run import main  # noqa: E402 - models can be imported only now

main()
