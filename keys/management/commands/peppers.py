"""List how many keys use each pepper, and which peppers can be removed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from keys.selectors.health.peppers import Pepper, peppers


class Command(BaseCommand):
    help = "Count the keys of each pepper. The peppers themselves are not shown."

    def handle(self, *_: Any, **__: Any) -> None:
        for pepper in peppers():
            self.stdout.write(f"{pepper.id}: {pepper.in_words}. {_advice(pepper)}")


def _advice(pepper: Pepper) -> str:
    if pepper.is_used:
        return "It is used for new fingerprints."
    if not pepper.is_known:
        return "It is not configured here, so these keys are not recognised."
    return "It can be removed." if pepper.may_go else "Keep it."
