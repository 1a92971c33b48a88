"""Fixtures of the domain's tests: a database file of one's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cast import Cast, people_in_portal
from tests.cerby.bad_server import Server, serving
from tests.conftest import Workspace
from tests.domain import own_database, signed_record
from tests.domain.asking import Script
from tests.domain.signed_record import Kept


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory: pytest.TempPathFactory, django_db_blocker) -> Path:
    """Migrating takes a second; copying what came of it, nothing."""
    path = tmp_path_factory.mktemp("migrated") / "portal.sqlite3"
    with django_db_blocker.unblock():
        own_database.create(path)
    return path


@pytest.fixture
def database(_migrated: Path, tmp_path: Path, django_db_blocker) -> Iterator[Path]:
    """A file that other processes and connections see as well, and that Django uses in this test."""
    path = tmp_path / "portal.sqlite3"
    shutil.copy(_migrated, path)
    with django_db_blocker.unblock(), own_database.using(path):
        yield path


@pytest.fixture
def audit_files(tmp_path: Path, settings: Any) -> Path:
    """The audit log's files of this test alone."""
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    return settings.PORTAL_AUDIT_DIR


@pytest.fixture
def signed_here(db: None, audit_files: Path) -> Path:
    """A log that begins with this test, and the folder in which the signer remembers it."""
    return audit_files


@pytest.fixture
def committed_cast(database: Path, workspace: Workspace) -> Cast:
    """The cast in that file: what a test commits there is committed."""
    return people_in_portal(workspace.ids)


@pytest.fixture
def cerby_that(settings: Any) -> Iterator[Script]:
    """``cerby_that(step, …)`` is what the portal takes for Cerby from now on."""
    with ExitStack() as stack:

        def start(*script: Any) -> Server:
            server = stack.enter_context(serving(*script))
            settings.CERBY_BASE_URL = server.url
            settings.CERBY_TOKEN = settings.CERBY_API_KEY = "token"
            return server

        yield start


@pytest.fixture(scope="session")
def _written(_migrated, _workspace, tmp_path_factory, django_db_blocker) -> Kept:
    workspace, url = _workspace
    workspace.sandbox.restore(workspace.untouched)
    with django_db_blocker.unblock():
        return signed_record.write(tmp_path_factory.mktemp("record"), _migrated, workspace, url)


@pytest.fixture
def kept(_written, tmp_path, django_db_blocker) -> Iterator[Kept]:
    kept = _written.copy_to(tmp_path / "record")
    with django_db_blocker.unblock(), kept.in_use():
        yield kept
