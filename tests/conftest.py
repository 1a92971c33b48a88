"""Fixtures for all tests: both databases, a sandbox on a real socket, the cast, and their browsers."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest import runner
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.template import Context, Template
from django.test import Client
from django.utils.safestring import SafeString

from portal.frames import with_room
from sandbox import Sandbox
from tests import cast as people
from tests.databases import vendors_of
from tests.sandbox.server import serve
from tests.support import own_database, prepared, scheduling
from tests.support.postgresql_server import Server, serving

nightly_profile = hypothesis.settings(
    deadline=None,  # a loaded machine is slow
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("nightly", nightly_profile)
hypothesis.settings.register_profile("suite", nightly_profile, derandomize=True)

with_room(
    runner.pytest_runtest_protocol
)  # otherwise some tests take six times as long, depending on their depth

_RENDER = vars(Template)["_render"]  # Django's test environment replaces it
_TOKEN_SCOPES = ["read:users", "read:vaults", "read:items", "read:items:secrets", "write:items:secrets"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-database", action="store_true", help="run every test on both databases, with all its cases"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let only ``make nightly`` look for new examples. Another run must not fail by chance."""
    hypothesis.settings.load_profile("nightly" if config.getoption("every_database") else "suite")


def pytest_collection(session: pytest.Session) -> None:
    """Import the test modules, starting in each worker with others.

    In a fresh checkout, pytest rewrites the assertions of each module, which takes seconds. Each worker
    finds on disk those that another has rewritten.
    """
    scheduling.import_tests(session.config)


@pytest.hookimpl(optionalhook=True)  # pytest also runs without pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    return scheduling.workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.BrowserScheduling:
    return scheduling.BrowserScheduling(config, log)


@pytest.hookimpl(trylast=True)  # after the plugin that shuffles them
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of ``make nightly`` to it, and start the long ones in time."""
    if not config.getoption("every_database"):
        items[:] = [item for item in items if item.get_closest_marker("nightly") is None]
    items[:] = scheduling.in_good_time(items)


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection, which takes a tenth of the time otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class Workspace:
    """A sandbox with the cast and two vaults, and a snapshot of this state."""

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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a database once on each of the databases that ``tests.databases`` names for it."""
    if {"db", "database", "kept"} & set(metafunc.fixturenames):
        only = metafunc.definition.get_closest_marker("only_on")
        module = metafunc.definition.nodeid.partition("::")[0]
        every = metafunc.config.getoption("every_database")
        vendors = only.args if only else vendors_of(module, every=every)
        metafunc.parametrize("vendor", vendors, indirect=True)


@pytest.fixture(scope="session")
def nightly(pytestconfig: pytest.Config) -> bool:
    """Return whether this is ``make nightly``, for a test that otherwise runs with a sample of its cases."""
    return bool(pytestconfig.getoption("every_database"))


@pytest.fixture(autouse=True)
def vendor(request: pytest.FixtureRequest) -> str | None:
    """Return the kind of database that this test runs on, or None if it uses none."""
    return getattr(request, "param", None)


@pytest.fixture(scope="session", autouse=True)
def _held_clock() -> Iterator[None]:
    """Stop the clock by which this process computes the codes of authenticator apps."""
    from tests.support.authenticators import hold_clock

    with pytest.MonkeyPatch.context() as monkeypatch:
        hold_clock(monkeypatch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_context_for_each_page(django_test_environment: None) -> None:
    """Let the test client copy the context of each page, but not that of each template that the page includes."""
    recorded = vars(Template)["_render"]

    def render(template: Template, context: Context) -> SafeString:
        return (recorded if context.template is template else _RENDER)(template, context)

    setattr(Template, "_render", render)  # noqa: B010  the stubs don't have it


@pytest.fixture(scope="session")
def _folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of pytest-xdist share."""
    mine = tmp_path_factory.getbasetemp()
    return mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


@pytest.fixture(scope="session")
def migrated_sqlite(_folder_of_all: Path, django_db_blocker: Any) -> Path:
    with django_db_blocker.unblock():
        return prepared.sqlite(_folder_of_all)


@pytest.fixture(scope="session")
def postgresql_data(_folder_of_all: Path, django_db_blocker: Any) -> Path:
    """Return the data of a server with the database ``prepared.MIGRATED``, for ``serving``."""
    with django_db_blocker.unblock():
        return prepared.postgresql(_folder_of_all)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, migrated_sqlite: Path, django_db_blocker: Any) -> None:
    """Replace pytest-django's fixture, which migrates a database in each worker."""
    with django_db_blocker.unblock():
        prepared.load_into_memory(migrated_sqlite)


@pytest.fixture(scope="session")
def postgresql(postgresql_data: Path) -> Iterator[Server]:
    """Start a PostgreSQL server for this worker's tests when the first test needs it."""
    with serving(postgresql_data) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Server) -> str:
    """Return the name of the migrated database, to be copied."""
    return prepared.MIGRATED


@pytest.fixture(scope="session")
def _shared_postgresql(postgresql: Server, migrated_postgresql: str) -> Iterator[BaseDatabaseWrapper]:
    """Connect to the database in which each test runs inside its own transaction."""
    postgresql.create("shared", template=migrated_postgresql)
    connection = own_database.connection_to(postgresql.url("shared"))
    yield connection
    connection.close()


@pytest.fixture
def _on_vendor(vendor: str, request: pytest.FixtureRequest) -> Iterator[None]:
    if vendor == "sqlite":  # the settings' own database
        yield
    else:
        with own_database.standing_in(request.getfixturevalue("_shared_postgresql")):
            yield


@pytest.fixture
def db(_on_vendor: None, db: None) -> None:
    """Start pytest-django's transaction after the database was chosen."""


@pytest.fixture(scope="session")
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    workspace = Workspace(tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite3")
    with serve(workspace.sandbox) as url:
        yield workspace, url
    workspace.sandbox.close()


@pytest.fixture
def workspace(_workspace: tuple[Workspace, str], settings: Any) -> Workspace:
    """Reset the sandbox to its snapshot and point the portal's settings at it."""
    from keys.cerby import credentials

    credentials._checked_at.clear()  # otherwise some test makes the query that is due once a minute
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
    """Return a function: ``browser_of("admin")`` is signed in, ``browser_of("outsider")`` is not."""

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
def fill_the_disk() -> Iterator[Callable[[], Callable[[], None]]]:
    """Return a function after whose call the database refuses every new event, as if the disk were full.

    It returns the function that empties the disk again.
    """

    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def fill() -> Callable[[], None]:
        execute(FULL[connection.vendor])
        return lambda: execute(EMPTIED[connection.vendor])

    yield fill
    if not connection.in_atomic_block:  # otherwise the test's rollback undoes it
        execute(EMPTIED[connection.vendor])
