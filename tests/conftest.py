"""What every test may ask for: each database, a real sandbox on a socket, the cast, and browsers for them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from sandbox import Sandbox
from tests import cast as people
from tests.sandbox.server import serve
from tests.support import own_database
from tests.support.postgresql_server import Server, serving
from tests.support.scheduling import OneWorkerForBrowsers

_TOKEN_SCOPES = ["read:users", "read:vaults", "read:items", "read:items:secrets", "write:items:secrets"]


@pytest.hookimpl(optionalhook=True)  # pytest runs without pytest-xdist as well
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerForBrowsers:
    return OneWorkerForBrowsers(config, log)


@pytest.hookimpl(trylast=True)  # after they were put in random order
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests come first, so that at the end no worker is left alone with one of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """All there is now stays to the end. To look through it for garbage, again and again, takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class Workspace:
    """The sandbox with the cast and two vaults in it, as it was before any test touched it."""

    def __init__(self, path: Path) -> None:
        from datetime import UTC, datetime, timedelta

        self.sandbox = Sandbox(path)
        self.ids = people.people_in_cerby(self.sandbox)
        self.vaults = [self.sandbox.add_vault(name) for name in ("Shared credentials", "Automation")]
        self.token = self.sandbox.issue_token(people.email_of("owner"))
        now = datetime.now(tz=UTC)
        _, self.api_key = self.sandbox.add_key(
            owner_email=people.email_of("owner"),
            name="Key portal",
            scopes=_TOKEN_SCOPES,
            created_at=now,
            expires_at=now + timedelta(days=365),
        )
        self.untouched = self.sandbox.snapshot()


VENDORS = ("sqlite", "postgresql")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that touches a database runs once on each kind."""
    if {"db", "database", "kept"} & set(metafunc.fixturenames):
        metafunc.parametrize("vendor", VENDORS, indirect=True)


@pytest.fixture(autouse=True)
def vendor(request: pytest.FixtureRequest) -> str | None:
    """The kind of database that this test runs on; None for one that touches none."""
    return getattr(request, "param", None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server for the tests of this process, started when the first of them needs it."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Server, django_db_blocker: Any) -> str:
    """The name of a database to copy: migrating takes a second, copying what came of it next to nothing."""
    postgresql.create("migrated")
    with django_db_blocker.unblock():
        own_database.create(postgresql.url("migrated"))
    return "migrated"


@pytest.fixture(scope="session")
def _shared_postgresql(postgresql: Server, migrated_postgresql: str) -> Iterator[BaseDatabaseWrapper]:
    """Where tests come and go in a transaction each, as they do in the SQLite database."""
    postgresql.create("shared", template=migrated_postgresql)
    connection = own_database.connection_to(postgresql.url("shared"))
    yield connection
    connection.close()


@pytest.fixture
def _on_vendor(vendor: str, request: pytest.FixtureRequest) -> Iterator[None]:
    if vendor == "sqlite":  # which is what the settings say
        yield
    else:
        with own_database.standing_in(request.getfixturevalue("_shared_postgresql")):
            yield


@pytest.fixture
def db(_on_vendor: None, db: None) -> None:
    """pytest-django's, begun after the database was chosen."""


@pytest.fixture(scope="session")
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    workspace = Workspace(tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite3")
    with serve(workspace.sandbox) as url:
        yield workspace, url
    workspace.sandbox.close()


@pytest.fixture
def workspace(_workspace: tuple[Workspace, str], settings: Any) -> Workspace:
    """The sandbox, untouched, and the portal's settings pointing at it."""
    fresh, url = _workspace
    fresh.sandbox.restore(fresh.untouched)
    settings.CERBY_BASE_URL = url
    settings.CERBY_TOKEN = fresh.token
    settings.CERBY_API_KEY = fresh.api_key
    return fresh


@pytest.fixture
def sandbox(workspace: Workspace) -> Sandbox:
    return workspace.sandbox


@pytest.fixture
def cast(db: None, workspace: Workspace) -> people.Cast:
    return people.people_in_portal(workspace.ids)


@pytest.fixture
def browser_of(cast: people.Cast) -> Callable[..., Client]:
    """``browser_of("admin")`` is a signed-in browser; ``browser_of("outsider")`` is not signed in."""

    def open_browser(name: str, *, seconds_ago: float = 0) -> Client:
        return people.signed_in(cast[name], seconds_ago=seconds_ago)

    return open_browser


FULL = {
    "sqlite": """
        CREATE TRIGGER the_disk_is_full BEFORE INSERT ON keys_auditevent
        BEGIN SELECT RAISE(ABORT, 'no room'); END
    """,
    "postgresql": """
        CREATE FUNCTION the_disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'integrity_constraint_violation'; END
        $$;
        CREATE TRIGGER the_disk_is_full BEFORE INSERT ON keys_auditevent
            FOR EACH ROW EXECUTE FUNCTION the_disk_is_full();
    """,
}
EMPTIED = {
    "sqlite": "DROP TRIGGER IF EXISTS the_disk_is_full",
    "postgresql": "DROP FUNCTION IF EXISTS the_disk_is_full CASCADE",
}


@pytest.fixture
def fill_the_disk() -> Iterator[Callable[[], None]]:
    """``fill_the_disk()``: from now on the database has no room for an event."""

    def tell(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    yield lambda: tell(FULL[connection.vendor])
    if not connection.in_atomic_block:  # else it is rolled back with the test
        tell(EMPTIED[connection.vendor])
