"""Test that pages report an outage of PostgreSQL and recover after it."""

from __future__ import annotations

import signal

import pytest

from tests import cast as people
from tests.pages.helpers import HTMX, text
from tests.support import own_database
from tests.support.postgresql_server import serving


@pytest.fixture
def server(django_db_blocker):
    """Start a PostgreSQL server for this test, which may stop it."""
    with serving() as server, django_db_blocker.unblock():
        server.create("portal")
        own_database.create(server.url("portal"))
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
