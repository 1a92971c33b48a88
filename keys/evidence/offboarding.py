"""Collect the plans for the keys of one leaver from the events of an evidence pack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from keys.rules.csv_cells import line
from keys.rules.events import Event
from keys.tlog.leaf import readable

HEADER = [
    "Who left",
    "Key id",
    "Name",
    "Plan",
    "Next owner's email",
    "Keep until",
    "Decided by",
    "At (UTC)",
    "Task of",
]
_ABOUT = {f"{event.value}" for event in (Event.KEY_PLANNED, Event.KEY_OWNER_LEFT)}


@dataclass
class Offboarding:
    """The newest event about each key of ``person``, the number of their row. The order of the events counts.

    ``left_at``: when Cerby disabled the person, or empty. ``keys``: the names of the live keys that they own,
    by id: those without an event have no plan.
    """

    person: str
    name: str
    email: str
    left_at: str
    keys: dict[str, str]
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, event: dict[str, Any]) -> None:
        """Take an event from keys.audit.reader into account if it is about the person's keys."""
        columns = event["columns"]
        if columns["type"] in _ABOUT and columns["details"].get("person") == self.person:
            details = readable(columns["details"], event["personal"])
            self.keys.setdefault(str(columns["key_id"]), columns["key_name"])
            self.found[str(columns["key_id"])] = {
                "type": columns["type"],
                "at": columns["at"],
                "by": columns["actor_name"],
                **{name: details.get(name) for name in ("decision", "to", "until", "assigned")},
            }

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row for each key, in the order of the ids. ``event`` is None if nobody has planned."""
        for key_id in sorted(self.keys):
            yield {"key": key_id, "name": self.keys[key_id], "event": self.found.get(key_id)}

    def lines(self) -> Iterator[str]:
        """Yield the rows as a table for people."""
        yield line(HEADER)
        for row in self.rows():
            event = row["event"] or {}
            to, assigned = event.get("to") or {}, event.get("assigned") or {}
            is_open = event.get("type") == Event.KEY_OWNER_LEFT
            plan = "not decided" if is_open else event.get("decision") or "none"
            task = (assigned.get("email") or "any admin") if is_open else ""
            cells = (
                to.get("email", ""),
                event.get("until") or "",
                event.get("by") or "",
                event.get("at") or "",
            )
            yield line([self.email, row["key"], row["name"], plan, *cells, task])
