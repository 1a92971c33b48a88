"""The table of databases names files that exist, and gives each module the databases that it should have."""

from __future__ import annotations

from tests.databases import BOTH, FOLDERS, MODULES, vendors_of
from tests.house.project import ROOT
from tests.support.cases import in_one_test


@in_one_test("path", [*FOLDERS, *MODULES, *BOTH])
def test_each_path_exists(path):
    assert (ROOT / path).exists()


@in_one_test("path", MODULES)
def test_each_module_differs_from_its_folder(path):
    assert path not in BOTH
    assert MODULES[path][0] != FOLDERS["/".join(path.split("/")[:2])]


@in_one_test(
    "module, vendors",
    [
        ("tests/pages/test_key.py", ("sqlite",)),
        ("tests/pages/test_dashboard.py", ("postgresql",)),
        ("tests/pages/test_inventory_search.py", ("sqlite", "postgresql")),
        ("tests/house/test_urls.py", ("sqlite",)),
        ("tests/domain/jobs/test_worker.py", ("postgresql",)),
        ("tests/domain/keys/test_issue.py", ("sqlite",)),
        ("tests/domain/keys/test_claim_race.py", ("sqlite", "postgresql")),
        ("tests/domain/keys/test_races.py", ("sqlite", "postgresql")),
        ("tests/domain/database/test_triggers.py", ("sqlite", "postgresql")),
        ("tests/sandbox/test_keys.py", ("sqlite", "postgresql")),
    ],
)
def test_a_module_runs_on_its_databases_and_nightly_on_both(module, vendors):
    assert vendors_of(module) == vendors
    assert vendors_of(module, every=True) == ("sqlite", "postgresql")
