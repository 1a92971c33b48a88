"""The table of databases names files that exist, and gives each module the databases that it should have."""

from __future__ import annotations

from tests.databases import BOTH, POSTGRESQL_ONLY, SQLITE_ONLY, vendors_of
from tests.house.project import ROOT
from tests.support.cases import in_one_test


@in_one_test("path", [*SQLITE_ONLY, *POSTGRESQL_ONLY, *BOTH])
def test_each_path_exists(path):
    assert (ROOT / path).exists()


@in_one_test("path", BOTH)
def test_each_exception_lies_in_a_folder_that_runs_only_on_sqlite(path):
    assert path.rpartition("/")[0] in SQLITE_ONLY


@in_one_test(
    "module, vendors",
    [
        ("tests/pages/test_key.py", ("sqlite",)),
        ("tests/pages/test_dashboard.py", ("sqlite", "postgresql")),
        ("tests/house/test_urls.py", ("sqlite",)),
        ("tests/domain/keys/test_races.py", ("sqlite", "postgresql")),
        ("tests/domain/jobs/test_worker.py", ("postgresql",)),
    ],
)
def test_a_module_runs_on_its_databases_and_nightly_on_both(module, vendors):
    assert vendors_of(module) == vendors
    assert vendors_of(module, every=True) == ("sqlite", "postgresql")
