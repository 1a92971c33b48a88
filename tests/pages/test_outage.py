"""Test that pages report an outage of PostgreSQL and recover after it."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing, contextmanager

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection

from portal.outage import is_outage
from tests import cast as people
from tests.pages.helpers import HTMX, text
from tests.pages.journey import GENERATE, answers
from tests.support import own_database
from tests.support.cases import in_one_test
from tests.support.postgresql_server import serving
from tests.support.prepared import MIGRATED


@pytest.fixture
def server(postgresql_data, django_db_blocker):
    """Start a PostgreSQL server for this test, which may stop it."""
    with serving(postgresql_data) as server, django_db_blocker.unblock():
        server.create("portal", template=MIGRATED)
        yield server


def test_an_outage_is_reported_in_a_page_a_fragment_and_a_probe(server, workspace):
    with own_database.using(server.url("portal")):
        browser = people.signed_in(people.people_in_portal(workspace.ids).admin)
        assert browser.get("/keys/").status_code == 200
    server.stop(signal.SIGINT)

    with own_database.using(server.url("portal")):
        page = browser.get("/keys/")
        assert page.status_code == 503
        assert "cannot reach its database. Nothing was changed or lost" in text(page)
        assert page["Retry-After"] == "60"
        fragment = browser.get("/keys/", headers=HTMX)
        assert (fragment.status_code, fragment["HX-Retarget"]) == (503, "#messages")
        assert b"<html" not in fragment.content
        assert browser.post("/keys/new/generate/", {"name": "Payroll"}).status_code == 503
        assert browser.get("/livez").json() == {"status": "ok"}
        assert browser.get("/readyz").json() == {"status": "the database does not answer"}

    server.start()
    with own_database.using(server.url("portal")):
        assert browser.get("/keys/").status_code == 200


@pytest.mark.parametrize("place", ["view", "first row of a download"])
def test_an_outage_during_a_request_is_reported(server, workspace, place):
    """The server stops after the request has begun."""
    with own_database.using(server.url("portal")):
        browser = people.signed_in(people.people_in_portal(workspace.ids).admin)
        browser.raise_request_exception = False
        path = "/keys/" if place == "view" else "/keys/export/"
        with stopped_at(server, "keys_apikey"):
            page = browser.get(path)
        assert page.status_code == 503
        assert "Nothing was changed or lost" in text(page)


def test_an_outage_during_a_change_does_not_claim_that_nothing_was_done(server, workspace):
    with own_database.using(server.url("portal")):
        browser = people.signed_in(people.people_in_portal(workspace.ids).admin)
        browser.raise_request_exception = False
        with stopped_at(server, "keys_apikey"):
            said = browser.post(GENERATE, answers(), headers={"Accept": "application/json"})
        assert said.status_code == 503
        assert "does not know whether the step was done" in said.json()["sentence"]


@contextmanager
def stopped_at(server, table):
    """Stop the server when the first statement on ``table`` is about to run."""

    def stop(execute, sql, params, many, context):
        if table in sql and server.process.poll() is None:
            server.stop(signal.SIGINT)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(stop):
        yield


POSTGRESQL = {
    "08006": True, "53100": True, "53300": True, "57P01": True, "57P03": True, "25006": True, "40P01": True,
    "42P01": False, "42601": False, "22P02": False, "23505": False,
}  # fmt: skip


@in_one_test("state, expected", POSTGRESQL.items())
def test_the_states_of_postgresql_that_are_outages(state, expected):
    error = DatabaseError()
    error.__cause__ = psycopg.errors.lookup(state)()
    assert is_outage(error) is expected


def test_a_sqlite_file_that_cannot_be_used_is_an_outage_but_a_wrong_statement_is_not(tmp_path):
    address = tmp_path / "portal.sqlite3"
    with closing(sqlite3.connect(address)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN EXCLUSIVE")
        assert is_outage(error_of(address, "INSERT INTO t VALUES (1)"))
        other.rollback()
    assert is_outage(error_of(f"file:{address}?mode=ro", "INSERT INTO t VALUES (1)"))
    assert is_outage(error_of(tmp_path, "SELECT 1 FROM t"))
    assert not is_outage(error_of(address, "SELECT 1 FROM missing"))


def error_of(address, statement):
    try:
        with closing(sqlite3.connect(address, timeout=0, uri=True)) as database:
            database.execute(statement)
    except sqlite3.Error as cause:
        error = OperationalError()
        error.__cause__ = cause
        return error
