"""What makes the inventory's search and scope filter flat in cost, kept by triggers from keys_apikey."""

from django.db import migrations

TABLE = """
    CREATE VIRTUAL TABLE keys_search USING fts5 (
        text, content='keys_search_document', content_rowid='id', tokenize='trigram', detail='full'
    )
"""

# Writes are rare here: merge early, so that a search has few pieces of the index to look into.
MERGED = "INSERT INTO keys_search (keys_search, rank) VALUES ('automerge', 2)"

# One line of text per key. The separator keeps a match from spanning two columns.
TEXT = "NEW.name || char(31) || NEW.owner_name || char(31) || NEW.owner_email"

# Documents are numbered by their key's time of creation, in milliseconds, and six digits that tell those
# of one millisecond apart. The newest has the lowest number: FTS5 is quick to find a place in a long list
# of matches when it reads upwards, and slow when it reads downwards.
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
            {TEXT}
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
        AFTER UPDATE OF name, owner_name, owner_email ON keys_apikey BEGIN
            UPDATE keys_search_document SET text = {TEXT} WHERE key_id = NEW.id;
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


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial")]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE keys_search"),
        migrations.RunSQL(MERGED, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(f"CREATE TRIGGER {name} {body}", f"DROP TRIGGER {name}")
            for name, body in TRIGGERS.items()
        ),
    ]
