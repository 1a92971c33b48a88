"""Fixtures for the domain's tests: the test's own database, a scripted Cerby, and a signed audit log."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.cast import Cast, people_in_portal
from tests.conftest import Workspace
from tests.support import own_database, signed_record
from tests.support.asking import Script
from tests.support.bad_server import Server, serving
from tests.support.own_database import Address
from tests.support.postgresql_server import Rows
from tests.support.postgresql_server import Server as PostgreSQL
from tests.support.signed_record import Kept


@pytest.fixture
def sqlite_address(migrated_sqlite: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_sqlite, tmp_path / "portal.sqlite3"))


@pytest.fixture(scope="session")
def _migrated_rows(postgresql: PostgreSQL, migrated_postgresql: str) -> Rows:
    """Create the database ``own``, and return the rows with which each test starts."""
    postgresql.create("own", template=migrated_postgresql)
    return postgresql.rows_of("own")


@pytest.fixture
def postgresql_address(postgresql: PostgreSQL, _migrated_rows: Rows) -> str:
    postgresql.reset("own", _migrated_rows)
    return postgresql.url("own")


@pytest.fixture
def database(vendor: str, request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[Address]:
    """Give the test its own database. Other processes see its rows if the test commits."""
    address = request.getfixturevalue(f"{vendor}_address")
    with django_db_blocker.unblock(), own_database.using(address):
        yield address


@pytest.fixture
def audit_files(tmp_path: Path, settings: Any) -> Path:
    """Give the test its own folder for the audit log's files."""
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    return settings.PORTAL_AUDIT_DIR


@pytest.fixture
def signed_here(db: None, audit_files: Path) -> Path:
    """Start an empty audit log, and return the folder where the signer keeps its state."""
    return audit_files


@pytest.fixture
def committed_cast(database: Address, workspace: Workspace) -> Cast:
    """Create the cast in the test's own database, where the test can commit."""
    return people_in_portal(workspace.ids)


@pytest.fixture
def cerby_that(settings: Any) -> Iterator[Script]:
    """Return a function: after ``cerby_that(step, …)`` the portal talks to a server with this script."""
    with ExitStack() as stack:

        def start(*script: Any) -> Server:
            server = stack.enter_context(serving(*script))
            settings.CERBY_BASE_URL = server.url
            settings.CERBY_TOKEN = settings.CERBY_API_KEY = "token"
            return server

        yield start


@pytest.fixture(scope="session")
def _written_sqlite(migrated_sqlite, _workspace, tmp_path_factory, django_db_blocker) -> Kept:
    folder = tmp_path_factory.mktemp("record")
    kept = Kept(folder, Path(shutil.copy(migrated_sqlite, folder / "portal.sqlite3")))
    with django_db_blocker.unblock():
        signed_record.write(kept, *_workspace)
    return kept


@pytest.fixture(scope="session")
def _written_postgresql(
    postgresql, migrated_postgresql, _workspace, tmp_path_factory, django_db_blocker
) -> Kept:
    postgresql.create("record", template=migrated_postgresql)
    kept = Kept(tmp_path_factory.mktemp("record"), postgresql.url("record"))
    with django_db_blocker.unblock():
        signed_record.write(kept, *_workspace)
    return kept


@pytest.fixture
def sqlite_record(_written_sqlite: Kept, tmp_path: Path) -> Kept:
    folder = Path(shutil.copytree(_written_sqlite.folder, tmp_path / "record"))
    return Kept(folder, folder / "portal.sqlite3")


@pytest.fixture
def postgresql_record(_written_postgresql: Kept, tmp_path: Path) -> Kept:
    """Share the database, because the copy of one takes long. ``kept`` rolls each test's changes back."""
    folder = Path(shutil.copytree(_written_postgresql.folder, tmp_path / "record"))
    return Kept(folder, _written_postgresql.database)


@pytest.fixture
def kept(vendor: str, request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[Kept]:
    """Return an audit log that the portal has written, signed and anchored, in a database that Django uses."""
    record = request.getfixturevalue(f"{vendor}_record")
    with django_db_blocker.unblock(), record.in_use():
        if vendor == "sqlite":
            yield record  # a copy, as PRAGMA does nothing in a transaction
            return
        with transaction.atomic():
            yield record
            transaction.set_rollback(True)
