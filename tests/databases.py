"""Choose the databases that each test runs on.

A test that uses a database runs on SQLite and on PostgreSQL. In ``make test``, the modules below run only on
one of them. ``make nightly`` runs all on both.
"""

from __future__ import annotations

VENDORS = ("sqlite", "postgresql")

SQLITE_ONLY = {
    "tests/house/test_urls.py": "Roles and methods are decided in Python, by one table.",
    "tests/house/test_headers.py": "Headers, set by middleware.",
    "tests/house/test_key_texts_everywhere.py": "Texts are replaced in Python, before they are written.",
    "tests/domain/keys/test_issue.py": "Faults on the wire, and one INSERT that the crash walk repeats on both.",
    "tests/domain/keys/test_issue_recovery.py": "Faults on the wire; the crash walk meets them on both databases.",
    "tests/domain/audit/test_as_of.py": "Computes past states from events that are read in order.",
    "tests/domain/audit/test_commands.py": "Arguments, exit codes and output of management commands.",
    "tests/domain/audit/test_evidence.py": "The contents of a ZIP file, made from plain reads in order.",
    "tests/domain/audit/test_siem.py": "The format of exported events and their delivery over HTTPS.",
    "tests/domain/audit/test_tiles.py": "The contents of files, made from plain reads in order.",
    "tests/domain/keys/test_delete_key.py": "Checks in Python before an action whose own tests run on both.",
    "tests/domain/keys/test_canary_actions.py": "Looks for the secret in logs, errors and events.",
    "tests/domain/sync/test_sweep_cost.py": "Counts calls and queries; test_sweep.py runs the same code on both.",
    "tests/domain/keys/test_acts_fresh_role.py": "Refusals by a role, decided in Python before anything is written.",
    "tests/domain/people/test_confirm_role.py": "Refusals by a role that Cerby gives, decided in Python.",
    "tests/domain/people/test_refresh.py": "Copies Cerby's answers to one row, by its id.",
    "tests/domain/keys/test_bulk_kills.py": "Kills between statements; test_bulk_race.py uses both databases.",
    "tests/domain/audit/test_tampering.py": "One verifier, in Python; test_tampering_columns.py runs it on both.",
    "tests/cerby": "Answers of Cerby; the database has only the people, and what the portal says about Cerby.",
    "tests/pages": "Pages render the results of actions and selectors, whose own tests run on both.",
}
"""Each path with the reason why one database is enough."""

POSTGRESQL_ONLY = {
    "tests/domain/jobs/test_worker.py": "Stops the database server, or lets workers compete for tasks.",
    "tests/domain/jobs/test_schedule.py": "Kills a worker, and its locks end with its connection.",
    "tests/domain/audit/test_rows.py": "Compares rows with the log in Python; PostgreSQL has the stricter types.",
    "tests/domain/sync/test_repair.py": "Restores rows by id; PostgreSQL has the stricter types.",
    "tests/domain/audit/test_forgeries_on_nodes.py": "Several machines share one database.",
    "tests/domain/safeguards/test_nodes.py": "Several machines share one database.",
    "tests/domain/audit/test_sealing_killed.py": "Kills a sequencer, and its transaction ends with its connection.",
}
"""Modules that take long, with the reason why PostgreSQL is the harder case."""

BOTH = {
    "tests/pages/test_activity.py": "Filters the audit log by indexes that differ.",
    "tests/pages/test_dashboard.py": "Groups and counts by date.",
    "tests/pages/test_inventory.py": "Sorts and pages by index.",
    "tests/pages/test_inventory_export.py": "Streams rows with a cursor of the server.",
    "tests/pages/test_inventory_freshness.py": "Compares times in SQL.",
    "tests/pages/test_inventory_search.py": "Text search, case folding and collation differ.",
    "tests/pages/test_outage.py": "Loses its connection to the database.",
}
"""Modules below a path of ``SQLITE_ONLY`` whose queries differ between the databases."""


def vendors_of(module: str, *, every: bool = False) -> tuple[str, ...]:
    """Return the databases for the tests of ``module``, a path such as ``tests/pages/test_key.py``."""
    folder = module.rpartition("/")[0]
    if not every and module in POSTGRESQL_ONLY:
        return VENDORS[1:]
    if every or module in BOTH or SQLITE_ONLY.keys().isdisjoint({module, folder}):
        return VENDORS
    return VENDORS[:1]
