"""Create the tables and triggers that keep the cost of search and scope filters independent of size."""

from django.db import migrations

from keys.migrations._vendor import SqlOn

# One line of text per key, case-folded. The separator prevents matches across two columns. It is the
# character number 31, "unit separator"; the function that creates it has a different name on each database.
TEXT = "NEW.name_order || {char}(31) || NEW.owner_order || {char}(31) || NEW.owner_email"
TEXT_COLUMNS = "name_order, owner_order, owner_email"

# ---- SQLite: an FTS5 index of trigrams

TABLE = """
    CREATE VIRTUAL TABLE keys_search USING fts5 (
        text, content='keys_search_document', content_rowid='id', tokenize='trigram case_sensitive 1', detail='full'
    )
"""

# Writes are rare, so merge early: a search then reads fewer segments of the index.
MERGED = "INSERT INTO keys_search (keys_search, rank) VALUES ('automerge', 2)"

SQLITE_TEXT = TEXT.format(char="char")

# A document's number comes from its key's creation time in milliseconds, and six digits distinguish the keys
# of one millisecond. The newest key has the lowest number, because FTS5 seeks quickly in a long list of
# matches only in ascending order.
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
            {SQLITE_TEXT}
        FROM (
            SELECT 999999 + 1000000 * (
                9000000000000
                - CAST(strftime('%s', NEW.created_at) AS INTEGER) * 1000
                - CAST(substr(NEW.created_at || '.000', 21, 3) AS INTEGER)
            ) AS last
        ) AS moment;
"""

SCOPED = """
    INSERT INTO keys_keyscope (key_id, scope, created_at)
        SELECT NEW.id, value, NEW.created_at FROM json_each(NEW.scopes);
"""

TRIGGERS = {
    "keys_search_document_added": """
        AFTER INSERT ON keys_search_document BEGIN
            INSERT INTO keys_search (rowid, text) VALUES (NEW.id, NEW.text);
        END
    """,
    "keys_search_document_removed": """
        AFTER DELETE ON keys_search_document BEGIN
            INSERT INTO keys_search (keys_search, rowid, text) VALUES ('delete', OLD.id, OLD.text);
        END
    """,
    "keys_search_document_changed": """
        AFTER UPDATE OF text ON keys_search_document BEGIN
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
        AFTER UPDATE OF {TEXT_COLUMNS} ON keys_apikey BEGIN
            UPDATE keys_search_document SET text = {SQLITE_TEXT} WHERE key_id = NEW.id;
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
    "keys_apikey_unindexed": """
        BEFORE DELETE ON keys_apikey BEGIN
            DELETE FROM keys_search_document WHERE key_id = OLD.id;
            DELETE FROM keys_keyscope WHERE key_id = OLD.id;
        END
    """,
}


# ---- PostgreSQL: a GIN index of trigrams, built without an extension

TRIGRAMS = """
    CREATE FUNCTION keys_trigrams(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(DISTINCT substr($1, place, 3)), ARRAY[]::text[])
        FROM generate_series(1, length($1) - 2) AS place
    $$
"""
# Without fastupdate's pending list, which each search would read: writes are rare.
INDEX = """
    CREATE INDEX keys_search_trigrams ON keys_search_document
        USING gin (keys_trigrams(text)) WITH (fastupdate = off)
"""

# The same numbers as on SQLite. A sequence distinguishes the documents of one millisecond, so that concurrent
# transactions get different numbers.
INSERT_DOCUMENT = f"""
    INSERT INTO keys_search_document (id, key_id, text) VALUES (
        999999 + 1000000 * (9000000000000 - floor(extract(epoch FROM NEW.created_at) * 1000)::bigint)
            - nextval(pg_get_serial_sequence('keys_search_document', 'id')) % 1000000,
        NEW.id,
        {TEXT.format(char="chr")}
    );
"""
INSERT_SCOPES = """
    INSERT INTO keys_keyscope (key_id, scope, created_at)
        SELECT NEW.id, scope, NEW.created_at FROM jsonb_array_elements_text(NEW.scopes) AS scope;
"""
DELETE_DOCUMENT = "DELETE FROM keys_search_document WHERE key_id = OLD.id;"
DELETE_SCOPES = "DELETE FROM keys_keyscope WHERE key_id = OLD.id;"

# For each trigger: when it fires, and its body.
POSTGRESQL_TRIGGERS = {
    "keys_apikey_indexed": ("AFTER INSERT ON keys_apikey", f"{INSERT_DOCUMENT} {INSERT_SCOPES}"),
    "keys_apikey_reindexed": (
        f"AFTER UPDATE OF {TEXT_COLUMNS} ON keys_apikey",
        f"UPDATE keys_search_document SET text = {TEXT.format(char='chr')} WHERE key_id = NEW.id;",
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
    "keys_apikey_unindexed": ("BEFORE DELETE ON keys_apikey", f"{DELETE_DOCUMENT} {DELETE_SCOPES}"),
}


def postgresql_trigger(name: str, when: str, body: str) -> SqlOn:
    result = "OLD" if "DELETE" in when else "NEW"  # a row-level trigger must return this row
    return SqlOn(
        "postgresql",
        f"""
            CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN {body} RETURN {result}; END
            $$;
            CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}();
        """,
        f"DROP TRIGGER {name} ON keys_apikey; DROP FUNCTION {name}();",
    )


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial")]

    operations = [
        SqlOn("sqlite", TABLE, "DROP TABLE keys_search"),
        SqlOn("sqlite", MERGED),
        *(
            SqlOn("sqlite", f"CREATE TRIGGER {name} {body}", f"DROP TRIGGER {name}")
            for name, body in TRIGGERS.items()
        ),
        SqlOn("postgresql", TRIGRAMS, "DROP FUNCTION keys_trigrams(text)"),
        SqlOn("postgresql", INDEX, "DROP INDEX keys_search_trigrams"),
        *(postgresql_trigger(name, when, body) for name, (when, body) in POSTGRESQL_TRIGGERS.items()),
    ]
