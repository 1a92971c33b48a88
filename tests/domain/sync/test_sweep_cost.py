"""Count the queries and calls of a sweep per page of Cerby's list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.actions.sync.compare import SweepResult
from keys.actions.sync.sweep import PAGE, sweep
from keys.models import ApiKey, AuditEvent
from keys.rules import batches
from sandbox import Sandbox, api_keys
from sandbox.moments import stamp
from tests.cast import MEMBERS
from tests.support.background import asked

PAGES = 3
KEYS = PAGES * PAGE
BEGIN_AND_COMMIT = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
# unreadable values, unreadable keys, missing keys, lost changes of scopes, counts, the quarantine before and
# after, and the quarantine in the log
AFTERWARDS = 9
APPEND = 2
"""Queries for one event: the row, and whether the row and its place in the queue are there."""
APPEND_LONG_WORDS = APPEND + 1
"""A word of 20 characters, such as Cerby's id, could be a key, so its fingerprint is looked up."""


@pytest.fixture(autouse=True)
def _whole_pages(monkeypatch):
    """Add the new keys of a page in one transaction, however slow the machine is."""
    monkeypatch.setattr(batches, "FEWEST", PAGE)


@pytest.fixture
def many(cast, sandbox) -> list[str]:
    """Create full pages of keys, including the portal's own, with known owners. Return Cerby's ids."""
    now = timezone.now()
    owners = [str(person.cerby_id) for person in (cast.owner, cast.super_admin, cast.admin, cast.user)]
    with sandbox.store.transaction() as db:
        for number in range(KEYS - 1):
            api_keys.add(
                db, owner_id=owners[number % 4], name=f"Robot {number}", scopes=["read:users"],
                created_at=stamp(now - timedelta(days=2)), expires_at=stamp(now + timedelta(days=2)),
            )  # fmt: skip
    return [key["id"] for key in sandbox.api_keys()]


def cost(sandbox: Sandbox) -> tuple[SweepResult, int, int]:
    """Run a sweep, and return its result, the number of queries and the number of calls."""
    calls = len(asked(sandbox, "GET"))
    with CaptureQueriesContext(connection) as seen:
        found = sweep()
    queries = [query["sql"] for query in seen if not query["sql"].startswith(BEGIN_AND_COMMIT)]
    return found, len(queries), len(asked(sandbox, "GET")) - calls


def in_cerby(sandbox: Sandbox, statement: str) -> None:
    """Change every key in Cerby."""
    with sandbox.store.transaction() as db:
        db.execute(statement)


def test_new_keys_are_added_one_page_at_a_time(sandbox, many):
    found, queries, calls = cost(sandbox)
    assert (found.discovered, calls) == (KEYS, PAGES)
    inserts = -(-PAGE // connection.ops.bulk_batch_size(ApiKey._meta.concrete_fields, range(PAGE)))
    # Rows, pasted keys, owners, the keys; then an event for each. A slow machine needs more transactions.
    assert queries - APPEND_LONG_WORDS * KEYS - AFTERWARDS <= 2 * PAGES * (4 + inserts)
    assert AuditEvent.objects.filter(type="key:discover").count() == KEYS


def test_an_unchanged_page_takes_three_queries_and_one_call(sandbox, many):
    sweep()
    found, queries, calls = cost(sandbox)
    assert (found.listed, found.changed, found.discovered, found.missing) == (KEYS, 0, 0, 0)
    assert (queries, calls) == (3 * PAGES + AFTERWARDS, PAGES)  # rows, owners, one UPDATE


def test_used_keys_take_one_query_more_per_page(sandbox, many):
    sweep()
    in_cerby(sandbox, "UPDATE api_keys SET last_used_at = '2026-03-02T12:00:00Z'")
    found, queries, calls = cost(sandbox)
    assert (found.changed, queries, calls) == (0, 4 * PAGES + AFTERWARDS, PAGES)
    assert ApiKey.objects.filter(last_used_at="2026-03-02T12:00:00Z").count() == KEYS


def test_changed_keys_take_no_further_call(sandbox, many):
    sweep()
    in_cerby(sandbox, "UPDATE api_keys SET scopes = 'read:items'")
    found, queries, calls = cost(sandbox)
    assert (found.changed, calls) == (KEYS, PAGES)
    # the events; for each key an UPDATE, whether it was changed meanwhile, its certificate, and an event
    assert queries == 6 * PAGES + (3 + APPEND) * KEYS + AFTERWARDS
    assert not ApiKey.objects.exclude(scopes=["read:items"]).exists()


@pytest.mark.parametrize("strangers", [3, 4, 150])
def test_unknown_owners_take_as_few_calls_as_possible(cast, sandbox, strangers):
    now = timezone.now()
    for number in range(strangers):
        email = f"robot-{number}@contenzilla.example"
        sandbox.add_person(email=email, first_name="A", last_name="Robot", role="workspace_user")
        sandbox.add_key(
            owner_email=email, name=f"Robot {number}", scopes=["read:users"],
            created_at=now - timedelta(days=2), expires_at=now + timedelta(days=2),
        )  # fmt: skip
    found, _, calls = cost(sandbox)
    assert found.discovered == strangers + 1
    pages_of_keys, pages_of_people = -(-(strangers + 1) // PAGE), -(-(strangers + len(MEMBERS)) // PAGE)
    assert calls == pages_of_keys + (strangers if strangers <= 3 else pages_of_people)


def test_missing_keys_are_recorded_one_page_at_a_time(sandbox, many):
    sweep()
    ApiKey.objects.update(confirmed_at=timezone.now() - timedelta(minutes=15))
    in_cerby(sandbox, "DELETE FROM api_keys WHERE name LIKE 'Robot%'")
    found, queries, calls = cost(sandbox)
    assert (found.missing, calls) == (KEYS - 1, 1)
    assert queries <= 3 + APPEND * (KEYS - 1) + 3 * PAGES + AFTERWARDS  # with the events of each page
    assert AuditEvent.objects.filter(type="key:miss").count() == KEYS - 1
