"""Choose the databases that each test runs on.

In ``make test``, most tests that use a database run on one of the two. A page runs on SQLite, and the actions and
jobs behind it on PostgreSQL, so that each statement meets both. A test in ``BOTH``, and every race, runs on both.
``make nightly`` runs all tests on both.
"""

from __future__ import annotations

SQLITE, POSTGRESQL = "sqlite", "postgresql"
VENDORS = (SQLITE, POSTGRESQL)

FOLDERS = {
    "tests/cerby": SQLITE,  # answers of Cerby; the database has only the people, and what the portal says about Cerby
    "tests/house": SQLITE,  # rules that Python enforces
    "tests/pages": SQLITE,  # the statements of its actions and selectors run on PostgreSQL in tests/domain
    "tests/domain": POSTGRESQL,  # the harder case: stricter types, and transactions that really run at once
}
"""The database of each folder's tests. A test of another folder runs on both."""

MODULES = {
    "tests/domain/audit/test_as_of.py": (SQLITE, "Computes past states from events that are read in order."),
    "tests/domain/audit/test_commands.py": (
        SQLITE,
        "Arguments, exit codes and output of management commands.",
    ),
    "tests/domain/audit/test_evidence.py": (
        SQLITE,
        "The contents of a ZIP file, made from plain reads in order.",
    ),
    "tests/domain/audit/test_siem.py": (
        SQLITE,
        "The format of exported events and their delivery over HTTPS.",
    ),
    "tests/domain/audit/test_tampering.py": (
        SQLITE,
        "One verifier; test_tampering_columns.py runs it on both.",
    ),
    "tests/domain/audit/test_tiles.py": (SQLITE, "The contents of files, made from plain reads in order."),
    "tests/domain/keys/test_acts_fresh_role.py": (SQLITE, "Refusals by a role, before anything is written."),
    "tests/domain/keys/test_bulk_kills.py": (SQLITE, "Kills between statements; a race uses both databases."),
    "tests/domain/keys/test_canary_actions.py": (SQLITE, "Looks for the secret in logs, errors and events."),
    "tests/domain/keys/test_delete_key.py": (
        SQLITE,
        "Checks before an action whose own tests use PostgreSQL.",
    ),
    "tests/domain/keys/test_issue.py": (SQLITE, "Faults on the wire; the crash walk meets them on both."),
    "tests/domain/keys/test_issue_recovery.py": (
        SQLITE,
        "Faults on the wire; the crash walk meets them on both.",
    ),
    "tests/domain/people/test_confirm_role.py": (SQLITE, "Refusals by a role that Cerby gives."),
    "tests/domain/people/test_refresh.py": (SQLITE, "Copies Cerby's answers to one row, by its id."),
    "tests/domain/sync/test_sweep_cost.py": (SQLITE, "Counts calls and queries."),
    "tests/pages/test_activity.py": (
        POSTGRESQL,
        "Filters the audit log by indexes; its plans are worse there.",
    ),
    "tests/pages/test_dashboard.py": (POSTGRESQL, "Groups and counts by date, with stricter rules there."),
    "tests/pages/test_inventory_export.py": (POSTGRESQL, "Streams rows with a cursor of the server."),
    "tests/pages/test_inventory_freshness.py": (
        POSTGRESQL,
        "Compares times in SQL, with stricter types there.",
    ),
    "tests/pages/test_outage.py": (POSTGRESQL, "Loses its connection to the database."),
}
"""Modules that differ from their folder, with the database and the reason."""

BOTH = {
    "tests/domain/audit/test_clean_runs.py": "Writes, seals and verifies at the same time.",
    "tests/domain/audit/test_guards.py": "Changes triggers, constraints and permissions.",
    "tests/domain/audit/test_log.py": "Triggers refuse to change the log.",
    "tests/domain/audit/test_sealing.py": "Takes locks, which differ.",
    "tests/domain/audit/test_tampering_columns.py": "Changes each column of each table of the log.",
    "tests/domain/database": "Constraints, triggers and migrations.",
    "tests/domain/keys/test_transition.py": "One conditional UPDATE, of which everything else is made.",
    "tests/domain/people/test_sessions.py": "Ends and extends sessions in SQL.",
    "tests/domain/people/test_throttle.py": "Counts attempts of many processes.",
    "tests/domain/policy/test_preview.py": "Compares keys in SQL, which differs for names and scopes.",
    "tests/domain/selectors": "Query plans, sorting and search differ.",
    "tests/house/test_cases.py": "Undoes what each case changed.",
    "tests/pages/test_inventory.py": "Sorts and pages by index.",
    "tests/pages/test_inventory_search.py": "Text search, case folding and collation differ.",
}
"""Modules and folders that need both databases, with the reason."""


def vendors_of(module: str, *, every: bool = False) -> tuple[str, ...]:
    """Return the databases for the tests of ``module``, a path such as ``tests/pages/test_key.py``."""
    folder = module.rpartition("/")[0]
    if every or module in BOTH or folder in BOTH or _is_race(module):
        return VENDORS
    if module in MODULES:
        return (MODULES[module][0],)
    return (FOLDERS[top],) if (top := "/".join(module.split("/")[:2])) in FOLDERS else VENDORS


def _is_race(module: str) -> bool:
    """Return whether the name of ``module`` says that its tests race, as ``test_claim_race.py`` does."""
    return module.rpartition("/")[2].removesuffix(".py").rstrip("s").endswith("race")
