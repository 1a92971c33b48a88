"""Search more of each key: purpose, team, system, tags, scopes and last four characters, and words of two letters.

Names and other texts are folded again, because full and half width, composed and decomposed forms now compare
as equal.
"""

from typing import Any

from django.db import migrations

from keys.migrations._vendor import AddColumn, SqlOn
from keys.models.folding import Folded
from keys.rules.folded_text import fold

FOLDED = {
    "name_order": "name",
    "owner_order": "owner_name",
    "purpose_order": "purpose",
    "team_order": "team",
    "system_order": "system",
    "accountable_order": "accountable_name",
}
COLUMNS = (
    "name_order, owner_order, owner_email, purpose_order, team_order, system_order, tags, scopes, last_four"
)
BATCH = 2_000

# The text of a document. Each of these characters becomes a space, as in what people search for. A word of two
# letters is found with the space before it, which makes a trigram. Scripts without spaces (from Thai on,
# U+0E00) have their pairs of characters at the end of the text, each after a space. The name is also there
# without spaces: "bigquery" finds "Big Query". The separator (character 31) keeps columns apart.
PUNCTUATION = "-_.@:/,;()[]"
FIRST_WITHOUT_SPACES = 0x0E00


def sqlite_text(row: str) -> str:
    def plain(text: str) -> str:
        for character in PUNCTUATION:
            text = f"replace({text}, '{character}', ' ')"
        return text

    def listed(column: str) -> str:
        return f"(SELECT coalesce(group_concat(value, ' '), '') FROM json_each({row}.{column}))"

    name = plain(f"{row}.name_order")
    columns = ("owner_order", "owner_email", "purpose_order", "team_order", "system_order", "last_four")
    others = (f"lower({row}.{column})" if column == "last_four" else f"{row}.{column}" for column in columns)
    apart = " || ' ' || char(31) || ' ' || "
    parts = (f"replace({name}, ' ', '')", *map(plain, (*others, listed("tags"), listed("scopes"))))
    whole = f"' ' || {apart.join((name, *parts))}"
    # A list of as many zeros as the text has characters: the keys of its items are the places.
    places = "'[' || substr(replace(hex(zeroblob(length(whole))), '00', ',0'), 2) || ']'"
    first, second = "substr(whole, place.key + 1, 1)", "substr(whole, place.key + 2, 1)"
    return f"""(
        SELECT whole || CASE
            WHEN whole GLOB '*[' || char({FIRST_WITHOUT_SPACES}) || '-' || char(1114111) || ']*' THEN (
                SELECT ' ' || char(31) || ' ' || coalesce(group_concat({first} || {second}, ' '), '')
                FROM json_each({places}) AS place
                WHERE {first} NOT IN (' ', char(31)) AND {second} NOT IN (' ', char(31), '')
                    AND max(unicode({first}), unicode({second})) >= {FIRST_WITHOUT_SPACES}
            )
            ELSE ''
        END
        FROM (SELECT {whole} AS whole)
    )"""


POSTGRESQL_TEXT = f"""
    CREATE FUNCTION keys_search_text(
        name text, owner text, email text, purpose text, team text, system text, tags jsonb, scopes jsonb,
        last_four text
    ) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
        WITH plain AS (
            SELECT translate(name, '{PUNCTUATION}', '{" " * len(PUNCTUATION)}') AS plain_name
        ), whole AS (
            SELECT ' ' || plain_name || ' ' || chr(31) || ' ' || replace(plain_name, ' ', '') || translate(
                concat_ws(
                    ' ' || chr(31) || ' ', '', owner, email, purpose, team, system, lower(last_four),
                    (SELECT coalesce(string_agg(value, ' '), '') FROM jsonb_array_elements_text(tags) AS value),
                    (SELECT coalesce(string_agg(value, ' '), '') FROM jsonb_array_elements_text(scopes) AS value)
                ),
                '{PUNCTUATION}', '{" " * len(PUNCTUATION)}'
            ) AS whole FROM plain
        )
        SELECT whole || CASE
            WHEN whole !~ '[\\u0E00-\\U0010FFFF]' THEN ''
            ELSE (
                SELECT ' ' || chr(31) || ' ' || coalesce(string_agg(first || second, ' ' ORDER BY place), '')
                FROM generate_series(1, length(whole) - 1) AS place,
                    LATERAL (SELECT substr(whole, place, 1) AS first, substr(whole, place + 1, 1) AS second) AS pair
                WHERE first NOT IN (' ', chr(31)) AND second NOT IN (' ', chr(31))
                    AND greatest(ascii(first), ascii(second)) >= {FIRST_WITHOUT_SPACES}
            )
        END
        FROM whole
    $$
"""


def postgresql_text(row: str) -> str:
    return f"keys_search_text({', '.join(f'{row}.{column.strip()}' for column in COLUMNS.split(','))})"


# ---- SQLite

# As in migration 0002: newer documents have lower numbers.
NUMBERED = f"""
    INSERT INTO keys_search_document (id, key_id, text)
        SELECT
            COALESCE(
                (
                    SELECT MIN(id) - 1 FROM keys_search_document
                    WHERE id BETWEEN moment.last - 999998 AND moment.last
                ),
                moment.last
            ),
            NEW.id,
            {sqlite_text("NEW")}
        FROM (
            SELECT 999999 + 1000000 * (
                9000000000000
                - CAST(strftime('%s', NEW.created_at) AS INTEGER) * 1000
                - CAST(substr(NEW.created_at || '.000', 21, 3) AS INTEGER)
            ) AS last
        ) AS moment;
"""
# Besides its scopes, a key has the scope "write" if it can change or delete something.
SCOPED = """
    INSERT INTO keys_keyscope (key_id, scope, created_at)
        SELECT NEW.id, value, NEW.created_at FROM json_each(NEW.scopes)
        UNION SELECT NEW.id, 'write', NEW.created_at FROM json_each(NEW.scopes) WHERE value NOT LIKE 'read:%';
"""
TRIGGERS = {
    "keys_search_document_changed": """
        AFTER UPDATE OF text ON keys_search_document WHEN NEW.text <> OLD.text BEGIN
            INSERT INTO keys_search (keys_search, rowid, text) VALUES ('delete', OLD.id, OLD.text);
            INSERT INTO keys_search (rowid, text) VALUES (NEW.id, NEW.text);
        END
    """,
    "keys_apikey_indexed": f"""
        AFTER INSERT ON keys_apikey BEGIN
            {NUMBERED}
            {SCOPED}
        END
    """,
    "keys_apikey_reindexed": f"""
        AFTER UPDATE OF {COLUMNS} ON keys_apikey BEGIN
            UPDATE keys_search_document SET text = {sqlite_text("NEW")} WHERE key_id = NEW.id;
        END
    """,
    "keys_apikey_moved": f"""
        AFTER UPDATE OF created_at ON keys_apikey WHEN NEW.created_at <> OLD.created_at BEGIN
            DELETE FROM keys_search_document WHERE key_id = NEW.id;
            {NUMBERED}
            UPDATE keys_keyscope SET created_at = NEW.created_at WHERE key_id = NEW.id;
        END
    """,
    "keys_apikey_rescoped": f"""
        AFTER UPDATE OF scopes ON keys_apikey BEGIN
            DELETE FROM keys_keyscope WHERE key_id = NEW.id;
            {SCOPED}
        END
    """,
}
# The index is made anew at the end, which is faster than to change each document in it.
SQLITE_DOCUMENTS = [
    f"""
        UPDATE keys_search_document SET text = (
            SELECT {sqlite_text("keys_apikey")} FROM keys_apikey WHERE keys_apikey.id = key_id
        )
    """,
    "INSERT INTO keys_search (keys_search) VALUES ('rebuild')",
]

# ---- PostgreSQL

INSERT_DOCUMENT = f"""
    INSERT INTO keys_search_document (id, key_id, text) VALUES (
        999999 + 1000000 * (9000000000000 - floor(extract(epoch FROM NEW.created_at) * 1000)::bigint)
            - nextval(pg_get_serial_sequence('keys_search_document', 'id')) % 1000000,
        NEW.id,
        {postgresql_text("NEW")}
    );
"""
INSERT_SCOPES = """
    INSERT INTO keys_keyscope (key_id, scope, created_at)
        SELECT NEW.id, scope, NEW.created_at FROM jsonb_array_elements_text(NEW.scopes) AS scope
        UNION SELECT NEW.id, 'write', NEW.created_at FROM jsonb_array_elements_text(NEW.scopes) AS scope
            WHERE scope NOT LIKE 'read:%';
"""
DELETE_DOCUMENT = "DELETE FROM keys_search_document WHERE key_id = OLD.id;"
DELETE_SCOPES = "DELETE FROM keys_keyscope WHERE key_id = OLD.id;"
POSTGRESQL_TRIGGERS = {
    "keys_apikey_indexed": ("AFTER INSERT ON keys_apikey", f"{INSERT_DOCUMENT} {INSERT_SCOPES}"),
    "keys_apikey_reindexed": (
        f"AFTER UPDATE OF {COLUMNS} ON keys_apikey",
        f"UPDATE keys_search_document SET text = {postgresql_text('NEW')} WHERE key_id = NEW.id;",
    ),
    "keys_apikey_moved": (
        "AFTER UPDATE OF created_at ON keys_apikey",
        f"""
            IF NEW.created_at <> OLD.created_at THEN
                {DELETE_DOCUMENT} {INSERT_DOCUMENT}
                UPDATE keys_keyscope SET created_at = NEW.created_at WHERE key_id = NEW.id;
            END IF;
        """,
    ),
    "keys_apikey_rescoped": (
        "AFTER UPDATE OF scopes ON keys_apikey",
        f"IF NEW.scopes <> OLD.scopes THEN {DELETE_SCOPES} {INSERT_SCOPES} END IF;",
    ),
}
POSTGRESQL_DOCUMENTS = f"""
    UPDATE keys_search_document SET text = {postgresql_text("keys_apikey")}
        FROM keys_apikey WHERE keys_apikey.id = key_id
"""
WRITE_SCOPES = """
    INSERT INTO keys_keyscope (key_id, scope, created_at)
        SELECT DISTINCT key_id, 'write', created_at FROM keys_keyscope WHERE scope NOT LIKE 'read:%%'
"""


def postgresql_trigger(name: str, when: str, body: str) -> SqlOn:
    return SqlOn(
        "postgresql",
        f"""
            DROP TRIGGER {name} ON keys_apikey;
            DROP FUNCTION {name}();
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN {body} RETURN NEW; END
            $$;
            CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}();
        """,
    )


UNIQUE_FROM = ("generated", "pasted")
UNIQUE_IN = ("requested", "awaited", "calling", "ready", "claimed", "held")
"""The condition of constraint key_name_is_unique_while_in_use."""


def fold_again(apps: Any, schema_editor: Any) -> None:
    """Fold all texts. If two unique names become equal, the second keeps the folding that it has."""
    del schema_editor
    keys = apps.get_model("keys", "ApiKey").objects
    columns = (*FOLDED, *FOLDED.values(), "origin", "state")
    rows = keys.order_by("pk").values_list("pk", *columns)
    page = list(rows[:BATCH])
    while page:
        for pk, *values in page:
            _fold(keys, pk, dict(zip(columns, values, strict=True)))
        page = list(rows.filter(pk__gt=page[-1][0])[:BATCH])


def _fold(keys: Any, pk: Any, row: dict[str, str]) -> None:
    folded = {column: fold(row[source]) for column, source in FOLDED.items()}
    changed = {column: value for column, value in folded.items() if value != row[column]}
    unique = keys.filter(origin__in=UNIQUE_FROM, state__in=UNIQUE_IN)
    if row["origin"] in UNIQUE_FROM and row["state"] in UNIQUE_IN:
        name = changed.get("name_order")
        if name is not None and unique.filter(name_order=name).exists():
            del changed["name_order"]
    if changed:
        keys.filter(pk=pk).update(**changed)


class Migration(migrations.Migration):
    dependencies = [("keys", "0016_sealed_refusal_counts")]

    operations = [
        AddColumn("apikey", "purpose_order", Folded("purpose", default="", max_length=1500)),
        *(SqlOn("sqlite", f"DROP TRIGGER {name}") for name in TRIGGERS),
        migrations.RunPython(fold_again, migrations.RunPython.noop),
        *(SqlOn("sqlite", sql) for sql in SQLITE_DOCUMENTS),
        *(SqlOn("sqlite", f"CREATE TRIGGER {name} {body}") for name, body in TRIGGERS.items()),
        SqlOn("postgresql", POSTGRESQL_TEXT),
        *(postgresql_trigger(name, when, body) for name, (when, body) in POSTGRESQL_TRIGGERS.items()),
        SqlOn("postgresql", POSTGRESQL_DOCUMENTS),
        SqlOn("sqlite", WRITE_SCOPES),
        SqlOn("postgresql", WRITE_SCOPES),
    ]
