"""Until when Cerby has asked to be left alone."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from keys.models import Pause


def paused_until(what: Pause.What = Pause.What.CREATE) -> datetime | None:
    """When the pause that Cerby asked for ends; None where there is none, or it is over."""
    pause = Pause.objects.filter(what=what, until__gt=timezone.now()).first()
    return pause.until if pause else None
