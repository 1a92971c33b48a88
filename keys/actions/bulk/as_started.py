"""Bind a bulk action to the event of its start, so that nobody adds keys to a list in the database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keys.audit import log
from keys.models import AuditEvent, SelectedKey, Selection
from keys.rules.events import Event
from keys.rules.permissions import Actor


@dataclass(frozen=True)
class Started:
    """What a person started: the act, what they entered for it, and the keys, each with its own purpose."""

    user: int
    act: str
    asks: dict[str, Any]
    purposes: dict[UUID, str]

    @classmethod
    def of(cls, selection: Selection) -> Started:
        rows = SelectedKey.objects.filter(selection=selection).order_by("position")
        purposes = dict(rows.values_list("key_id", "purpose"))
        return cls(selection.user_id, selection.act, selection.asks, purposes)

    def digest(self) -> str:
        keys = [[str(key_id), purpose] for key_id, purpose in self.purposes.items()]
        text = json.dumps([self.user, self.act, self.asks, keys], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def has(self, item: SelectedKey) -> bool:
        """Return whether the key is one of those, with the same act."""
        selection = item.selection
        same = (selection.user_id, selection.act, selection.asks) == (self.user, self.act, self.asks)
        return same and self.purposes.get(item.key_id) == item.purpose


def record_start(selection: Selection, actor: Actor, reason: str = "", **approved: Any) -> None:
    """Append the event of the start. Call this in the transaction that starts the action.

    ``approved``: the request and its hash, if other people approved the action.
    """
    log.append(
        Event.BULK_STARTED,
        actor=actor,
        reason=reason,
        act=selection.act,
        count=selection.count,
        part_of=str(selection.pk),
        list_digest=Started.of(selection).digest(),
        **approved,
    )


def as_started(selection: Selection) -> Started | None:
    """Return what the person started, or None if the list is not the one that their event recorded."""
    events = AuditEvent.objects.filter(type=Event.BULK_STARTED, actor_id=selection.user_id)
    event = events.filter(details__part_of=str(selection.pk)).order_by("-id").first()
    started = Started.of(selection)
    return started if event and event.details.get("list_digest") == started.digest() else None
