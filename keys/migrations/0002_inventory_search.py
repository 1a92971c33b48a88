"""What makes the inventory's search and scope filter flat in cost, kept by triggers from keys_apikey."""

from django.db import migrations

# One line of text per key. The separator keeps a match from spanning two columns.
DOCUMENT = "NEW.name || char(31) || NEW.owner_name || char(31) || NEW.owner_email"

TABLES = [
    """
    CREATE TABLE keys_search_document (
        id INTEGER PRIMARY KEY,
        key_id char(32) NOT NULL UNIQUE,
        text TEXT NOT NULL
    )
    """,
    """
    CREATE VIRTUAL TABLE keys_search USING fts5 (
        text, content='keys_search_document', content_rowid='id', tokenize='trigram', detail='full'
    )
    """,
]

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
            INSERT INTO keys_search_document (key_id, text) VALUES (NEW.id, {DOCUMENT});
            INSERT INTO keys_keyscope (key_id, scope, created_at)
                SELECT NEW.id, value, NEW.created_at FROM json_each(NEW.scopes);
        END
    """,
    "keys_apikey_reindexed": f"""
        AFTER UPDATE OF name, owner_name, owner_email ON keys_apikey BEGIN
            UPDATE keys_search_document SET text = {DOCUMENT} WHERE key_id = NEW.id;
        END
    """,
    "keys_apikey_rescoped": """
        AFTER UPDATE OF scopes, created_at ON keys_apikey BEGIN
            DELETE FROM keys_keyscope WHERE key_id = NEW.id;
            INSERT INTO keys_keyscope (key_id, scope, created_at)
                SELECT NEW.id, value, NEW.created_at FROM json_each(NEW.scopes);
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
        *(
            migrations.RunSQL(sql, f"DROP TABLE {name}")
            for sql, name in zip(TABLES, ["keys_search_document", "keys_search"], strict=True)
        ),
        *(
            migrations.RunSQL(f"CREATE TRIGGER {name} {body}", f"DROP TRIGGER {name}")
            for name, body in TRIGGERS.items()
        ),
    ]
