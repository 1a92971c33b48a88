"""Whatever somebody does to the triggers, constraints and permissions of the log is found at once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from keys.audit import log
from keys.audit.guards import broken_guards
from keys.audit.self_check import check
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.verifier.verify_bundle import Kind
from tests.databases import POSTGRESQL, SQLITE
from tests.support.cases import in_one_test

FUNCTION = "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;"

ROLES = {
    "GRANT portal TO app": "the role app may act as the owner of the tables",
    "GRANT pg_write_all_data TO app": "the role app is a member of pg_write_all_data",
    "GRANT CREATE ON SCHEMA public TO app": "the role app may create objects in the schema",
    "ALTER ROLE app CREATEROLE": (
        "the role app is a superuser, may create roles, bypass row security or replicate"
    ),
    "CREATE ROLE thief LOGIN; GRANT INSERT ON keys_checkpoint TO thief": (
        "another role, thief, may write to the log"
    ),
    "CREATE ROLE thief LOGIN; GRANT app TO thief": "another role, thief, may act as app (has its rights)",
    "CREATE ROLE thief LOGIN; GRANT app TO thief WITH ADMIN TRUE, INHERIT FALSE, SET FALSE": (
        "another role, thief, may act as app (may grant itself the role)"
    ),
    "CREATE ROLE thief LOGIN; GRANT portal TO thief": (
        "another role, thief, may act as the owner of the tables (has its rights)"
    ),
    "CREATE ROLE thief LOGIN; GRANT portal TO thief WITH INHERIT FALSE": (
        "another role, thief, may act as the owner of the tables (SET ROLE)"
    ),
    "CREATE ROLE thief LOGIN; GRANT portal TO thief WITH ADMIN TRUE, INHERIT FALSE, SET FALSE": (
        "another role, thief, may act as the owner of the tables (may grant itself the role)"
    ),
    "CREATE ROLE band; CREATE ROLE thief LOGIN NOINHERIT; GRANT portal TO band; GRANT band TO thief": (
        "another role, thief, may act as the owner of the tables (SET ROLE)"
    ),
    "ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO app": "new tables give a role the right to DELETE",
    "CREATE FUNCTION tidy() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM keys_unsealed'": (
        "function tidy acts with the owner's rights"
    ),
}
"""What lets the portal's role ``app`` do more, or another role as much."""

ATTACKS: dict[str, list[tuple[str, str]]] = {
    "sqlite": [
        ("DROP TRIGGER keys_auditevent_queued", "trigger keys_auditevent_queued is missing"),
        ("DROP TRIGGER keys_treehead_no_pardon", "trigger keys_treehead_no_pardon is missing"),
        (
            "CREATE TRIGGER tidy AFTER INSERT ON keys_unsealed BEGIN DELETE FROM keys_unsealed; END",
            "trigger tidy is not the portal's",
        ),
        (
            "CREATE TRIGGER tidy AFTER UPDATE ON keys_apikey BEGIN DELETE FROM keys_unsealed; END",
            "trigger tidy is not the portal's",
        ),
        (
            (
                "DROP TRIGGER keys_sealed_no_delete; CREATE TRIGGER keys_sealed_no_delete BEFORE DELETE ON keys_sealed "
                "WHEN OLD.leaf_hash = 0 BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            ),
            "trigger keys_sealed_no_delete was changed",
        ),
        (
            "ALTER TABLE keys_checkpoint RENAME TO kept; CREATE VIEW keys_checkpoint AS SELECT * FROM kept",
            "table keys_checkpoint is missing",
        ),
        (
            (
                "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, ' UNIQUE', '') "
                "WHERE name = 'keys_auditevent'; PRAGMA writable_schema = OFF"
            ),
            "column uid of keys_auditevent is missing or was changed",
        ),
        (
            (
                "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, '= 32', '>= 0') "
                "WHERE name = 'keys_sealed'; PRAGMA writable_schema = OFF"
            ),
            "constraint sealed_hash_is_whole of keys_sealed is missing or was changed",
        ),
        (
            (
                "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'CONSTRAINT "
                '"sealed_hash_is_whole" CHECK (LENGTH("leaf_hash") = 32)\', \'/* CONSTRAINT '
                '"sealed_hash_is_whole" CHECK (LENGTH("leaf_hash") = 32) */ CHECK (1)\') '
                "WHERE name = 'keys_sealed'; PRAGMA writable_schema = OFF"
            ),
            "constraint sealed_hash_is_whole of keys_sealed is missing or was changed",
        ),
        (
            (
                "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, ' UNIQUE', "
                "' UNIQUE ON CONFLICT IGNORE') WHERE name = 'keys_auditevent'; PRAGMA writable_schema = OFF"
            ),
            "column uid of keys_auditevent is missing or was changed",
        ),
    ],
    "postgresql": [
        (
            "DROP TRIGGER keys_auditevent_queued ON keys_auditevent",
            "trigger keys_auditevent_queued is missing",
        ),
        (
            "ALTER TABLE keys_sealed DISABLE TRIGGER ALL",
            "trigger keys_sealed_no_change on keys_sealed is disabled",
        ),
        (
            "ALTER TABLE keys_auditevent ENABLE REPLICA TRIGGER keys_auditevent_queued",
            "trigger keys_auditevent_queued on keys_auditevent is disabled",
        ),
        (
            FUNCTION.format("RETURN NULL;")
            + "CREATE TRIGGER tidy BEFORE INSERT ON keys_auditevent FOR EACH ROW EXECUTE FUNCTION mine()",
            "trigger tidy on keys_auditevent is not the portal's",
        ),
        (
            (
                "DROP TRIGGER keys_auditevent_no_update ON keys_auditevent; CREATE TRIGGER keys_auditevent_no_update "
                "BEFORE UPDATE ON keys_auditevent FOR EACH ROW WHEN (OLD.salt IS NULL) "
                "EXECUTE FUNCTION keys_audit_refuse()"
            ),
            "trigger keys_auditevent_no_update was changed",
        ),
        (
            (
                "CREATE OR REPLACE FUNCTION keys_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RETURN NEW; END $$"
            ),
            "function keys_audit_refuse was changed",
        ),
        (
            "ALTER FUNCTION keys_audit_queue() SET search_path = elsewhere",
            "function keys_audit_queue was changed",
        ),
        (
            "CREATE RULE tidy AS ON INSERT TO keys_unsealed DO INSTEAD NOTHING",
            "table keys_unsealed was replaced by a view, or has rules or children",
        ),
        (
            "ALTER TABLE keys_auditevent ENABLE ROW LEVEL SECURITY",
            "table keys_auditevent has row-level security",
        ),
        (
            "ALTER TABLE keys_sealed DROP CONSTRAINT sealed_hash_is_whole",
            "constraint sealed_hash_is_whole is missing",
        ),
        (
            (
                "ALTER TABLE keys_sealed DROP CONSTRAINT sealed_hash_is_whole, ADD CONSTRAINT sealed_hash_is_whole "
                "CHECK (length(leaf_hash) >= 0)"
            ),
            "constraint sealed_hash_is_whole was changed",
        ),
        (
            "ALTER TABLE keys_auditevent ALTER COLUMN reason DROP NOT NULL",
            "table keys_auditevent allows other columns to be empty",
        ),
        ("CREATE ROLE thief; GRANT DELETE ON keys_auditevent TO thief", "a role may DELETE keys_auditevent"),
        (
            "CREATE ROLE thief; GRANT UPDATE (reason) ON keys_auditevent TO thief",
            "a role may UPDATE reason of keys_auditevent",
        ),
        ("GRANT TRIGGER ON keys_sealed TO PUBLIC", "a role may TRIGGER keys_sealed"),
        (
            "ALTER ROLE ALL SET session_replication_role = replica",
            "session_replication_role turns the triggers off",
        ),
        (
            "ALTER TABLE keys_auditevent ADD CHECK (type <> 'attempt:refuse') NOT VALID",
            "table keys_auditevent has another number of constraints",
        ),
        (
            "CREATE UNIQUE INDEX tidy ON keys_auditevent (type) WHERE type = 'key:reveal'",
            "table keys_auditevent has another number of constraints",
        ),
        (
            "CREATE RULE tidy AS ON UPDATE TO keys_verification DO INSTEAD NOTHING",
            "table keys_verification was replaced by a view, or has rules or children",
        ),
        (
            "ALTER TABLE keys_refusalcount ENABLE ROW LEVEL SECURITY",
            "table keys_refusalcount has row-level security",
        ),
        *(
            (f"CREATE ROLE app LOGIN; GRANT INSERT ON keys_auditevent TO app; {sql}", words)
            for sql, words in ROLES.items()
        ),
        (
            "ALTER ROLE ALL SET search_path = thief, public",
            "the setting search_path of a role or the database was changed",
        ),
        ("ALTER ROLE ALL SET role = postgres", "the setting role of a role or the database was changed"),
        ("CREATE ROLE app; ALTER TABLE keys_apikey OWNER TO app", "keys_apikey has another owner"),
        (
            "CREATE ROLE app; ALTER SCHEMA public OWNER TO app",
            "the database or its schema belongs to another role, app",
        ),
        (
            "CREATE ROLE thief LOGIN; GRANT portal TO thief",  # although the portal connects as the owner
            "another role, thief, may act as the owner of the tables (has its rights)",
        ),
        ("GRANT DELETE ON keys_node TO PUBLIC", "a role may DELETE keys_node"),
        ("SET LOCAL session_replication_role = replica", "session_replication_role turns the triggers off"),
    ],
}


def attack(sql: str) -> None:
    parts = sql.split("; CREATE TRIGGER")
    for part in [parts[0], *(f"CREATE TRIGGER{rest}" for rest in parts[1:])]:
        if part.startswith("PRAGMA") or " RENAME TO " in part:
            for statement in part.split("; "):
                execute_one(statement)
        else:
            execute_one(part)


def execute_one(sql: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


def test_nothing_is_broken_after_migrating(db):
    assert broken_guards() == []


@in_one_test("number", range(max(map(len, ATTACKS.values()))))
def test_a_change_is_found_by_health_and_by_every_verification(db, number, audit_files):
    if number >= len(ATTACKS[connection.vendor]):
        return  # the other database has more
    sql, words = ATTACKS[connection.vendor][number]
    attack(sql)
    assert words in broken_guards()
    assert Kind.GUARDS in check().found
    assert Client().get("/readyz").json()["audit"] == "unguarded"


@pytest.mark.only_on(POSTGRESQL)  # SQLite has no roles
def test_the_roles_of_the_setting_may_act_as_the_owner(db, settings):
    execute_one("CREATE ROLE dba LOGIN; GRANT portal TO dba")
    settings.PORTAL_DATABASE_ADMINS = ("dba",)
    assert broken_guards() == []


@pytest.mark.only_on(SQLITE)  # on PostgreSQL, only a superuser can change an index alone
def test_an_index_without_an_event_is_found_by_every_verification(kept):
    made = 'CREATE INDEX "event_by_time" ON "keys_auditevent" ("at", "id")'
    for sql in (f"{made} WHERE type <> 'session:end'", made):  # the index as it was, but without the event
        execute_one("PRAGMA writable_schema = ON")
        execute_one(
            f"UPDATE sqlite_master SET sql = '{sql.replace(chr(39), chr(39) * 2)}' WHERE name = 'event_by_time'"
        )
        execute_one("PRAGMA writable_schema = RESET")
        if sql != made:
            execute_one("REINDEX event_by_time")
    by_time = AuditEvent.objects.order_by("at", "id").values_list("type", flat=True)
    assert Event.SIGNED_OUT not in by_time  # it is missing on the page Activity
    assert broken_guards() == []
    assert "event_by_time" in check().found[Kind.GUARDS].place


SWALLOWED = {
    "sqlite": {
        "the row": "CREATE TRIGGER s AFTER INSERT ON keys_unsealed BEGIN DELETE FROM keys_auditevent; END",
        "the queue": "CREATE TRIGGER s AFTER INSERT ON keys_unsealed BEGIN DELETE FROM keys_unsealed; END",
        "the trigger": "DROP TRIGGER keys_auditevent_queued",
    },
    "postgresql": {
        "the row": FUNCTION.format("RETURN NULL;")
        + "CREATE TRIGGER s BEFORE INSERT ON keys_auditevent FOR EACH ROW EXECUTE FUNCTION mine()",
        "the queue": FUNCTION.format("RETURN NULL;")
        + "CREATE TRIGGER s BEFORE INSERT ON keys_unsealed FOR EACH ROW EXECUTE FUNCTION mine()",
        "the trigger": "DROP TRIGGER keys_auditevent_queued ON keys_auditevent",
    },
}


@pytest.mark.parametrize("what", ["the row", "the queue", "the trigger"])
def test_an_act_whose_event_is_thrown_away_fails(db, what, audit_files):
    if connection.vendor == "sqlite":
        execute_one("DROP TRIGGER keys_auditevent_no_delete")
        execute_one("DROP TRIGGER keys_unsealed_no_delete")
    execute_one(SWALLOWED[connection.vendor][what])
    with pytest.raises(IntegrityError), transaction.atomic():
        log.append(Event.SIGNED_OUT, actor=None)
    assert not AuditEvent.objects.filter(type=Event.SIGNED_OUT).exists()


def test_an_event_that_a_trigger_changes_fails(db, audit_files):
    if connection.vendor == "sqlite":
        execute_one("DROP TRIGGER keys_auditevent_no_update")
        execute_one(
            "CREATE TRIGGER s AFTER INSERT ON keys_auditevent BEGIN "
            "UPDATE keys_auditevent SET leaf = x'7b7d' WHERE id = NEW.id; END"
        )
    else:
        execute_one(
            FUNCTION.format("NEW.leaf := '\\x7b7d'; RETURN NEW;")
            + "CREATE TRIGGER s BEFORE INSERT ON keys_auditevent FOR EACH ROW EXECUTE FUNCTION mine()"
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        log.append(Event.SIGNED_OUT, actor=None)
