"""The files of an evidence pack, one function each: lines of text, made as they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys.evidence.keys_as_of import KeyAsOf
from keys.evidence.policy_as_of import Policy
from keys.rules.csv_cells import line
from keys.rules.events import Event
from keys.rules.formatting import scope_list, utc, utc_microseconds
from keys.tlog.leaf import ERASED, readable

KEY_HEADER = [
    "Key id", "Id in Cerby", "Name", "Owner's id in Cerby", "Owner's e-mail", "Scopes", "Created on (UTC)",
    "Expires (UTC)", "Status", "Caveat", "Purpose", "Origin", "Stored at (UTC)", "Removed at (UTC)",
    "Last used (UTC)", "Note",
]  # fmt: skip
EVENT_HEADER = [
    "Number", "At (UTC)", "Event", "Type", "Outcome", "Who", "E-mail", "Role", "Key id", "Key name", "IP",
    "Browser", "Reason", "Details",
]  # fmt: skip


@dataclass(frozen=True)
class Period:
    """From ``since`` to before ``until``; the keys, people and rules as they were at ``as_of``."""

    since: datetime
    until: datetime
    as_of: datetime


def as_line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def key_line(key: KeyAsOf) -> str:
    return line(
        [
            str(key.id), key.cerby_id, key.name, key.owner_id, key.owner_email, scope_list(key.scopes),
            utc(key.created_at), utc(key.expires_at), key.status, key.caveat, key.purpose, key.origin,
            utc(key.stored_at), utc(key.removed_at), utc(key.last_used_at), key.note,
        ]
    )  # fmt: skip


def is_within(event: dict[str, Any], period: Period) -> bool:
    """Of an event as keys.audit.reader reads it; times in this form sort as text."""
    return utc_microseconds(period.since) <= str(event["columns"]["at"]) < utc_microseconds(period.until)


def event_line(event: dict[str, Any]) -> str:
    """``event`` as keys.audit.reader reads it, for people; one that is not signed yet has no number."""
    said = event["columns"]
    details = readable(said["details"], event["personal"])
    return line(
        [
            str(event.get("index", "not signed yet")), said["at"], Event(said["type"]).label, said["type"],
            said["outcome"], said["actor_name"] or ERASED, said["actor_email"], said["actor_role"],
            said["key_id"] or "", said["key_name"], said["ip"], said["browser"], said["reason"],
            json.dumps(details, ensure_ascii=False) if details else "",
        ]
    )  # fmt: skip


def policy_lines(policy: Policy | None) -> Iterator[str]:
    """The rules as a table. With no rules, only the header: the record holds none for that time."""
    conditions = ("own key", "as high as the key's owner", "role confirmed within a day")
    yield line(["Action or setting", "Roles or value", *(name.capitalize() for name in conditions)])
    for name, value in policy["settings"].items() if policy else ():
        yield line([name, str(value), *("" for _ in conditions)])
    for action, rule in policy["rules"].items() if policy else ():
        yield line([action, ", ".join(rule["roles"]), *(_yes(rule[name]) for name in conditions)])


def _yes(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def table(header: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield line(header)
    for row in rows:
        yield line(row)
