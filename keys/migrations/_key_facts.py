"""Compute the facts about active keys in SQL, for the triggers on the table of keys.

An applied migration must not change, so a new scope or fact needs new triggers.
"""

from keys.models.policy_columns import (
    CREATED_KNOWN,
    HAS_CERBY_ID,
    IS_AGENT,
    IS_ORPHAN,
    NO_BACKUP,
    NO_PURPOSE,
    NO_SYSTEM,
    NO_TEAM,
    NO_VAULT,
    SCOPE_BITS,
    UNKNOWN_SCOPE,
    USE_READ,
)

_FACTS = {
    NO_PURPOSE: "{key}.purpose = ''",
    NO_TEAM: "{key}.team = ''",
    NO_SYSTEM: "{key}.system = ''",
    IS_ORPHAN: "{key}.accountable_id IS NULL OR {key}.accountable_left_at IS NOT NULL",
    NO_BACKUP: "{key}.backup_id IS NULL",
    NO_VAULT: "{key}.origin = 'generated' AND {key}.stored_at IS NOT NULL AND {key}.stored_in = ''",
    IS_AGENT: "{key}.kind = 'agent'",
    CREATED_KNOWN: "{key}.created_known",
    HAS_CERBY_ID: "{key}.cerby_id IS NOT NULL",
    USE_READ: "{key}.use_read_at IS NOT NULL",
}
_HAS_SCOPE = {
    "sqlite": "instr({{key}}.scopes, '\"{scope}\"') > 0",
    "postgresql": "jsonb_exists({{key}}.scopes, '{scope}')",
}
_SCOPE_COUNT = {"sqlite": "json_array_length({key}.scopes)", "postgresql": "jsonb_array_length({key}.scopes)"}
_SECONDS = {
    "sqlite": "CAST(strftime('%s', substr({{key}}.{column}, 1, 19)) AS INTEGER)",
    "postgresql": "CAST(FLOOR(EXTRACT(EPOCH FROM {{key}}.{column})) AS bigint)",
}
"""A time in seconds. Fractions are cut off."""

WATCHED = (
    *("state", "name", "owner_id", "scopes", "purpose", "team", "system", "accountable_id"),
    *("accountable_left_at", "backup_id", "origin", "stored_at", "stored_in", "kind", "created_known"),
    *("cerby_id", "use_read_at", "created_at", "expires_at", "last_used_at", "review_on"),
)
"""The columns of a key that its facts depend on."""
COLUMNS = "key_id, owner_id, bits, life, created_at, expires_at, last_used_at, review_on, name"
LIVE = "'ready', 'claimed', 'held'"


def _when(condition: str, number: int) -> str:
    return f"CASE WHEN {condition} THEN {number} ELSE 0 END"


def values_sql(vendor: str, key: str, scopes: tuple[str, ...]) -> str:
    """Return the values of ``COLUMNS`` as SQL. ``key``: the name of the row with the key."""
    has = {scope: _HAS_SCOPE[vendor].format(scope=scope) for scope in scopes}
    known = " + ".join(_when(condition, 1) for condition in has.values())
    terms = [_when(condition, SCOPE_BITS[scope]) for scope, condition in has.items()]
    terms.append(_when(f"{_SCOPE_COUNT[vendor]} > {known}", UNKNOWN_SCOPE))
    terms += [_when(condition, bit) for bit, condition in _FACTS.items()]
    end, start = (_SECONDS[vendor].format(column=column) for column in ("expires_at", "created_at"))
    values = ["{key}.id", "{key}.owner_id", " + ".join(terms), f"{end} - {start}"]
    values += [
        f"{{key}}.{column}" for column in ("created_at", "expires_at", "last_used_at", "review_on", "name")
    ]
    return ", ".join(values).format(key=key)
