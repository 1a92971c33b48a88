"""Record changes of shared views. A view that only its author sees is not recorded."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from keys.audit import log
from keys.models import SavedView
from keys.rules.events import Event
from keys.rules.permissions import Actor


def record_sharing(actor: Actor, view: SavedView) -> None:
    log.append(Event.VIEW_SHARED, actor=actor, **_about(view), filter=in_words(view.query))


def record_change(actor: Actor, view: SavedView, before: dict[str, str], after: dict[str, str]) -> None:
    """``before`` and ``after``: the values that differ, out of name, filter and shared."""
    log.append(Event.VIEW_CHANGED, actor=actor, **_about(view), before=before, after=after)


def record_deletion(actor: Actor, view: SavedView) -> None:
    log.append(Event.VIEW_DELETED, actor=actor, **_about(view), filter=in_words(view.query))


def in_words(query: str) -> str:
    """Return the filters, the sort order and the columns of a query string as one line."""
    return ", ".join(f"{name}={' '.join(values)}" for name, values in QueryDict(query).lists())


def _about(view: SavedView) -> dict[str, Any]:
    return {"view": str(view.pk), "page": view.page, "name": view.name}
