"""Write a policy as JSON, and read it. The same policy always has the same bytes."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from keys.rules.policy.document import DEFAULT, Mode, Name, Policy, Rule, Shape, Value
from keys.rules.policy.entries import MOST_ENTRIES, tidy
from keys.rules.policy.tiers import TIERS, Tier

SCHEMA = 1
LONGEST = 65_536
"""Bytes of a document."""
MOST = {Shape.DAYS: 3_660, Shape.NUMBER: 1_000}
MOST_APPROVALS = 3
COLUMNS = (*(tier.name.lower() for tier in Tier), "agent")
"""The names of a rule's values in the document."""


class NotAPolicyError(ValueError):
    """The text is not a policy. The message says which part of it, and why."""


def write(policy: Policy) -> str:
    """Return the policy as JSON with sorted keys. Reading it and writing it again returns the same bytes."""
    document = {
        "schema": SCHEMA,
        "tiers": {scope: tier.name.lower() for scope, tier in policy.tiers.items()},
        "rules": {name.value: _written(name, rule) for name, rule in policy.rules.items()},
    }
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _written(name: Name, rule: Rule) -> dict[str, Any]:
    if name.shape is Shape.ENTRIES:
        return {"mode": rule.mode.value, "entries": list(rule.entries)}
    nothing = False if name.shape is Shape.NEEDED else None
    by_tier = {tier.name.lower(): rule.tiers.get(tier) or nothing for tier in Tier}
    return {"mode": rule.mode.value, **by_tier, "agent": rule.agent or nothing}


@lru_cache(maxsize=16)
def read_stored(text: str) -> Policy:
    """Return the policy in a stored document. A rule that is newer than the document is off."""
    document = json.loads(text)
    off = {name.value: _written(name, _off(name)) for name in Name}
    document["rules"] = off | {name: rule for name, rule in document["rules"].items() if name in off}
    document["tiers"] = {scope: tier.name.lower() for scope, tier in TIERS.items()} | document["tiers"]
    return _policy(document)


def _off(name: Name) -> Rule:
    rule = DEFAULT.rules[name]
    return Rule(rule.tiers, rule.agent, Mode.OFF, rule.entries)


def read(text: str) -> Policy:
    """Return the policy that ``text`` describes. Raise ``NotAPolicyError`` if it does not describe one."""
    if len(text.encode(errors="replace")) > LONGEST:
        raise NotAPolicyError(f"The document is longer than {LONGEST:,} bytes.")
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats)
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate is no text
        return _policy(document)
    except (ValueError, RecursionError) as error:
        if isinstance(error, NotAPolicyError):
            raise
        raise NotAPolicyError("This is not JSON that the portal can read.") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAPolicyError("The document has the same name twice.")
    return found


def _policy(document: Any) -> Policy:
    _names(document, {"schema", "tiers", "rules"}, "The document")
    if document["schema"] != SCHEMA or isinstance(document["schema"], bool):
        raise NotAPolicyError(f"The schema of the document must be {SCHEMA}.")
    _names(document["tiers"], set(TIERS), "“tiers”")
    _names(document["rules"], {name.value for name in Name}, "“rules”")
    tiers = {scope: _tier(scope, document["tiers"][scope]) for scope in TIERS}
    return Policy({name: _rule(name, document["rules"][name.value]) for name in Name}, tiers)


def _names(part: Any, allowed: set[str], where: str) -> None:
    if not isinstance(part, dict):
        raise NotAPolicyError(f"{where} must be an object with names and values.")
    if unknown := sorted(part.keys() - allowed):
        raise NotAPolicyError(f"{where} has “{unknown[0][:60]}”, which the portal does not know.")
    if missing := sorted(allowed - part.keys()):
        raise NotAPolicyError(f"{where} has no “{missing[0]}”.")


def _tier(scope: str, value: Any) -> Tier:
    tiers = {tier.name.lower(): tier for tier in (Tier.LOW, Tier.MEDIUM, Tier.HIGH)}
    if not isinstance(value, str) or value not in tiers:
        raise NotAPolicyError(f"The tier of “{scope}” must be low, medium or high.")
    return tiers[value]


def _rule(name: Name, part: Any) -> Rule:
    where = f"The rule “{name}”"
    if name.shape is Shape.ENTRIES:
        _names(part, {"mode", "entries"}, where)
        return Rule(mode=_mode(where, part["mode"]), entries=_entries(name, part["entries"]))
    _names(part, {"mode", *COLUMNS}, where)
    values = {column: _value(name, column, part[column]) for column in COLUMNS}
    by_tier = {tier: values[tier.name.lower()] for tier in Tier}
    return Rule(by_tier, values["agent"], _mode(where, part["mode"]))


def _mode(where: str, value: Any) -> Mode:
    if not isinstance(value, str) or value not in set(Mode):
        raise NotAPolicyError(f"{where} must have the mode off, report or enforce.")
    return Mode(value)


def _value(name: Name, column: str, value: Any) -> Value:
    where = f"The value “{column}” of the rule “{name}”"
    if name.shape is Shape.NEEDED:
        if not isinstance(value, bool):
            raise NotAPolicyError(f"{where} must be true or false.")
        return value
    most = MOST_APPROVALS if name is Name.APPROVALS else MOST[name.shape]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise NotAPolicyError(f"{where} must be null or a whole number from 1 to {most:,}.")
    return value


def _entries(name: Name, value: Any) -> tuple[str, ...]:
    where = f"The entries of the rule “{name}”"
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise NotAPolicyError(f"{where} must be a list of texts.")
    if len(value) > MOST_ENTRIES:
        raise NotAPolicyError(f"{where} are {len(value)}; {MOST_ENTRIES} are allowed.")
    try:
        return tuple(sorted({tidy(name, entry) for entry in value}))
    except ValueError as error:
        raise NotAPolicyError(f"{where}: {error}") from error
