"""Format the files of an evidence pack as lines of text."""

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
from keys.rules.formatting import scope_list, utc, utc_if_known, utc_microseconds, utc_or_not_known
from keys.tlog.leaf import ERASED, readable

KEY_HEADER = [
    "Key id", "Id in Cerby", "Name", "Owner's id in Cerby", "Owner's email", "Scopes", "Created on (UTC)",
    "Expires (UTC)", "Status", "Caveat", "Purpose", "Origin", "Stored at (UTC)", "Removed at (UTC)",
    "Last used (UTC)", "Note", "Seen in Cerby's web app (UTC)", "Seen by", "Last used: source",
    "Expires: source", "Accountable person's email", "Backup's email", "Team", "System", "Kind",
    "Environment", "Review date", "Tags", "Note by people",
]  # fmt: skip
EVENT_HEADER = [
    "Number", "At (UTC)", "Event", "Type", "Outcome", "Who", "Email", "Role", "Key id", "Key name", "IP",
    "Browser", "Reason", "Details",
]  # fmt: skip


@dataclass(frozen=True)
class Period:
    """The period of the events, from ``since`` to before ``until``, and the time of the other tables."""

    since: datetime
    until: datetime
    as_of: datetime


def as_line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def key_line(key: KeyAsOf) -> str:
    return line(key_cells(key))


def key_cells(key: KeyAsOf) -> list[str]:
    return [
        str(key.id), key.cerby_id, key.name, key.owner_id, key.owner_email, scope_list(key.scopes),
            utc_if_known(key.created_at, is_known=key.created_at is not None),
            utc_or_not_known(key.expires_at), key.status, key.caveat, key.purpose, key.origin,
            utc(key.stored_at), utc(key.removed_at), utc(key.last_used_at), key.note,
            utc(key.seen_at), key.seen_by, key.last_used_source, key.expires_source,
            key.accountable_email, key.backup_email, key.team, key.system, key.kind, key.environment,
            key.review_on, ", ".join(key.tags), key.note_by_people,
    ]  # fmt: skip


def is_within(event: dict[str, Any], period: Period) -> bool:
    """Return whether an event from keys.audit.reader is in the period. Times in this format sort as text."""
    return utc_microseconds(period.since) <= str(event["columns"]["at"]) < utc_microseconds(period.until)


def event_line(event: dict[str, Any]) -> str:
    """Format an event from keys.audit.reader for people. An event that is not signed yet has no number."""
    columns = event["columns"]
    details = readable(columns["details"], event["personal"])
    label = Event(columns["type"]).label_if(columns["outcome"])
    return line(
        [
            str(event.get("index", "not signed yet")), columns["at"], label, columns["type"],
            columns["outcome"], columns["actor_name"] or ERASED, columns["actor_email"],
            columns["actor_role"], columns["key_id"] or "", columns["key_name"], columns["ip"],
            columns["browser"], columns["reason"],
            json.dumps(details, ensure_ascii=False) if details else "",
        ]
    )  # fmt: skip


def policy_lines(policy: Policy | None) -> Iterator[str]:
    """Yield the rules as a table; only the header if the log has no rules for that time."""
    role = [f"role confirmed within a {age}" for age in ("day", "minute")]  # at first it was a day
    conditions = ("own key", "as high as the key's owner", *role, "accountable", "backup")
    yield line(["Action or setting", "Roles or value", *(name.capitalize() for name in conditions)])
    for name, value in policy["settings"].items() if policy else ():
        yield line([name, str(value), *("" for _ in conditions)])
    for action, rule in policy["rules"].items() if policy else ():
        yield line([action, ", ".join(rule["roles"]), *(_yes(rule.get(name, "")) for name in conditions)])


def _yes(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def table(header: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield line(header)
    for row in rows:
        yield line(row)
