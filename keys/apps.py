"""Configure the app and register its system checks."""

from __future__ import annotations

from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "API keys"

    def ready(self) -> None:
        from keys import checks  # noqa: F401, PLC0415 - registers the checks, which need the settings
