"""Index the text of a key with a thousand scopes in a time that grows with its length, not with its square.

The texts and their trigrams stay the same. Finding a character of a text by its place takes longer the further
back it is, so a long text is cut into parts first. Before, one such key kept the database busy for seconds, and
with a name in Thai or Chinese for minutes.
"""

from importlib import import_module
from typing import Any

from django.db import migrations

from keys.migrations._vendor import SqlOn

_before: Any = import_module("keys.migrations.0017_search_text")
FIRST_WITHOUT_SPACES = _before.FIRST_WITHOUT_SPACES
PART = 200


def sqlite_text(row: str) -> str:
    """Return the text of migration 0017, with other SQL for the pairs of characters of scripts without spaces."""
    text: str = _before.sqlite_text(row)
    start, end = text.index("SELECT ' ' || char(31)"), text.index("ELSE ''")
    return f"{text[:start]}{SQLITE_PAIRS}) {text[end:]}"


# A list of as many zeros as the text has parts: the keys of its items are their numbers. The LIMIT keeps SQLite
# from computing a part again for each of its characters.
_PARTS = f"'[' || substr(replace(hex(zeroblob(length(whole) / {PART} + 1)), '00', ',0'), 2) || ']'"
_PLACES = f"[{','.join('0' * PART)}]"
_FIRST, _SECOND = "substr(part, place.key + 1, 1)", "substr(part, place.key + 2, 1)"
SQLITE_PAIRS = f"""
    SELECT ' ' || char(31) || ' ' || coalesce(group_concat({_FIRST} || {_SECOND}, ' '), '')
    FROM (
        SELECT substr(whole, number.key * {PART} + 1, {PART} + 1) AS part FROM json_each({_PARTS}) AS number
        WHERE part GLOB '*[' || char({FIRST_WITHOUT_SPACES}) || '-' || char(1114111) || ']*'
        ORDER BY number.key LIMIT 1000000
    ) CROSS JOIN json_each('{_PLACES}') AS place
    WHERE {_FIRST} NOT IN (' ', char(31), '') AND {_SECOND} NOT IN (' ', char(31), '')
        AND max(unicode({_FIRST}), unicode({_SECOND})) >= {FIRST_WITHOUT_SPACES}
"""
_TRIGGERS = {
    name: body.replace(_before.sqlite_text("NEW"), sqlite_text("NEW"))
    for name, body in _before.TRIGGERS.items()
    if _before.sqlite_text("NEW") in body
}

POSTGRESQL_TRIGRAMS = f"""
    CREATE OR REPLACE FUNCTION keys_trigrams(text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(DISTINCT substr(part, place, 3)), ARRAY[]::text[])
        FROM generate_series(1, length($1) - 2, {PART}) AS start, LATERAL substr($1, start, {PART} + 2) AS part,
            generate_series(1, length(part) - 2) AS place
    $$
"""
_PAIRS = f"""
    FROM generate_series(1, length(whole) - 1, {PART}) AS start,
        LATERAL substr(whole, start, {PART} + 1) AS part, generate_series(1, length(part) - 1) AS place,
        LATERAL (SELECT substr(part, place, 1) AS first, substr(part, place + 1, 1) AS second) AS pair
    WHERE part ~ '[\\u0E00-\\U0010FFFF]' AND first NOT IN (' ', chr(31)) AND second NOT IN (' ', chr(31))
"""


def postgresql_text() -> str:
    """Return the function of migration 0017, with other SQL for the pairs of characters."""
    text: str = _before.POSTGRESQL_TEXT.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    start, end = text.index("FROM generate_series"), text.index("AND greatest(")
    return f"{text[:start]}{_PAIRS}{text[end:]}".replace("' ' ORDER BY place)", "' ' ORDER BY start, place)")


class Migration(migrations.Migration):
    dependencies = [("keys", "0028_sessions")]

    operations = [
        *(SqlOn("sqlite", f"DROP TRIGGER {name}") for name in _TRIGGERS),
        *(SqlOn("sqlite", f"CREATE TRIGGER {name} {body}") for name, body in _TRIGGERS.items()),
        SqlOn("postgresql", POSTGRESQL_TRIGRAMS),
        SqlOn("postgresql", postgresql_text()),
    ]
