"""Compare the inventory's pages for combined filters, searches and sorts with a plain loop over all keys."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import ApiKey
from keys.rules.lifecycle import State
from keys.selectors.inventory import conditions, keyset, search
from keys.selectors.inventory.filters import NEEDS, SORTS, InventoryFilter
from tests.cast import an_unsaved_key
from tests.support.cases import in_one_test

NOW = timezone.now()
TODAY = timezone.localdate(NOW)
STATES = [
    *[State.HELD] * 4, State.CLAIMED, State.REVOKED, State.REVOKING, State.REFUSED, State.REQUESTED,
]  # fmt: skip
ASKED = {
    "q": ["", "robot", "ROBOT 1", "übung", "person", "nowhere"],
    "status": ["", "active", "pending", "expired", "live", "removed", "failed"],
    "needs": ["", *(need for need, _ in NEEDS if need != "not-seen")],
    "origin": ["", "generated", "discovered"],
    "scope": ["", "read:users", "delete:teams"],
    "owner": ["", "admin@contenzilla.example", "nobody@contenzilla.example"],
    "expires": ["", "7", "90", f"{NOW + timedelta(days=3):%Y-%m-%d}"],
    "accountable": ["", "admin@contenzilla.example", "nobody@contenzilla.example"],
    "backup": ["", "owner@contenzilla.example"],
    "team": ["", "DATA", "ops", "nobody"],
    "system": ["", "bigquery"],
    "tag": ["", "Nightly", "etl", "none"],
    "kind": ["", "workload", "vendor"],
    "environment": ["", "production"],
    "sort": ["", *(f"{sign}{name}" for name in SORTS for sign in ("", "-"))],
}


RARE = (
    *("leaver-undecided", "leaver-late", "agent-outside", "outside-policy", "rotation-asked"),
    *("rotation-late", "not-certified"),
)
"""Needs of so few keys that they are sorted."""


@pytest.fixture
def many(cast):
    """Keys of every kind, many of which are equal in the sorted columns."""
    luck = random.Random(3)
    ApiKey.objects.bulk_create(one_of_many(cast, luck, number) for number in range(80))
    return list(ApiKey.objects.select_related("owner", "backup"))


def one_of_many(cast, luck, number):
    age = luck.choice([luck.randint(1, 9), 50, 100])
    created = NOW - timedelta(days=age, microseconds=luck.choice([0, 0, 1]))
    expires = luck.choice([created + timedelta(hours=1), NOW + timedelta(days=luck.choice([3, 3, 40, 200]))])
    state = luck.choice(STATES)
    return an_unsaved_key(
        luck.choice([cast.admin, cast.admin, cast.owner]),
        name=f"{luck.choice(['Robot', 'robot', 'Übung', 'übung'])} {number}",
        scopes=luck.choice([["read:users"], ["read:users", "read:items"], ["read:items"], ["delete:teams"]]),
        state=state,
        created_at=created,
        expires_at=expires,
        last_used_at=luck.choice([None, created, NOW - timedelta(days=age / 2)]),
        removed_at=NOW if state is State.REVOKED else None,
        origin=luck.choice(["generated", "discovered"]),
        purpose=luck.choice(["", "To test with."]),
        missing_since=luck.choice([None, NOW]),
        owner_left_at=luck.choice([None, NOW]),
        reach_grew_at=luck.choice([None, NOW]),
        attempts=luck.choice([0, 6]),
        **owned_by(cast, luck),
    )


def owned_by(cast, luck):
    accountable = luck.choice([None, cast.admin, cast.admin, cast.user])
    return {
        "accountable": accountable,
        "accountable_name": accountable.name if accountable else "",
        "accountable_email": accountable.email if accountable else "",
        "accountable_left_at": luck.choice([None, None, NOW]) if accountable else None,
        "backup": luck.choice([None, cast.owner]),
        "team": luck.choice(["", "Data", "data", "Ops"]),
        "system": luck.choice(["", "BigQuery"]),
        "tags": luck.choice([[], ["nightly"], ["etl", "nightly"]]),
        "kind": luck.choice(["", "workload", "vendor"]),
        "environment": luck.choice(["", "production", "other"]),
        "review_on": luck.choice([None, None, TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1)]),
    }


def meets(key: ApiKey, asked: dict[str, str]) -> bool:
    live, ahead = key.state in {State.HELD, State.CLAIMED}, key.expires_at > NOW
    text = f"{key.name}\x1f{key.owner_name}\x1f{key.owner_email}".lower()
    by_status = {
        "": key.state != State.REFUSED,
        "active": live and ahead,
        "pending": key.state == State.REQUESTED,
        "expired": live and not ahead,
        "live": live,
        "removed": key.state in {State.REVOKED, State.REVOKING},
        "failed": key.state == State.REFUSED,
    }
    active = live and ahead
    by_need = {
        "": True,
        "unconfirmed": key.state == State.CLAIMED,
        "not-adopted": active and key.origin == "discovered" and not key.purpose,
        "missing": active and key.missing_since is not None,
        "owner-left": active and key.owner_left_at is not None,
        "orphan": active and (key.accountable is None or key.accountable_left_at is not None),
        "reach-grew": active and key.reach_grew_at is not None,
        **dict.fromkeys(RARE, False),  # no plan, no finding, no agent
        "review-due": active and key.review_on is not None and key.review_on <= TODAY,
        "removal-stuck": key.state == State.REVOKING and (key.attempts >= 6 or key.cerby_id is None),
        "unused-90": active and (key.last_used_at or key.created_at) <= NOW - timedelta(days=90),
        "unused-45": active and (key.last_used_at or key.created_at) <= NOW - timedelta(days=45),
        "never-used": active and key.last_used_at is None,
        "waiting": key.due_at is not None,
    }
    by_expiry = {
        "": True,
        "7": active and key.expires_at <= NOW + timedelta(days=7),
        "90": active and key.expires_at <= NOW + timedelta(days=90),
    }
    return (
        by_status[asked["status"]]
        and by_need[asked["needs"]]
        and asked["origin"] in {"", key.origin}
        and asked["q"].lower() in text
        and (not asked["scope"] or asked["scope"] in key.scopes)
        and asked["owner"] in {"", key.owner_email}
        and asked["accountable"] in {"", key.accountable_email}
        and asked["backup"] in {"", key.backup.email if key.backup else None}
        and asked["team"].lower() in {"", key.team.lower()}
        and asked["system"].lower() in {"", key.system.lower()}
        and (not asked["tag"] or asked["tag"].lower() in key.tags)
        and asked["kind"] in {"", key.kind}
        and asked["environment"] in {"", key.environment}
        and by_expiry.get(asked["expires"], active and f"{key.expires_at:%Y-%m-%d}" == asked["expires"])
    )


SORTED_BY = {
    "name": lambda key: key.name.casefold(),
    "owner": lambda key: key.owner_name.casefold(),
    "scopes": lambda key: len(key.scopes),
    "created": lambda key: key.created_at,
    "expires": lambda key: key.expires_at,
    "last-used": lambda key: (key.last_used_at is not None, key.last_used_at or NOW),
    "status": lambda key: (key.phase, key.expires_at),
    "accountable": lambda key: key.accountable_name.casefold(),
    "review": lambda key: (key.review_on is None, key.review_on or TODAY),
}


def pages(wanted: InventoryFilter, size: int) -> list[list[object]]:
    """Return all pages, and check that each leads back to the one before."""
    keys, order = wanted.keys()
    rows, everything = keys.values_list("id", "name"), ApiKey.objects.all()
    found: list[list[object]] = []
    after = None
    while True:
        page = keyset.page(rows, order, everything, after=after, before=None, size=size)
        if found:
            back = keyset.page(rows, order, everything, after=None, before=page.before, size=size)
            assert [row[0] for row in back.rows] == found[-1]
        found.append([row[0] for row in page.rows])
        after = page.after
        if after is None:
            return found


def some_of(count: int) -> dict[str, str]:
    """Return random values for ``count`` fields of the filter, and empty values for the others."""
    chosen = random.sample(list(ASKED), count)
    return {name: random.choice(values) if name in chosen else "" for name, values in ASKED.items()}


@in_one_test("few", [0, 12, 1000])
def test_each_key_is_shown_once_and_in_order_for_every_query_plan(many, monkeypatch, nightly, few):
    """``few``: up to this number, the matches of a condition are sorted; above it, an index is walked."""
    monkeypatch.setattr(conditions, "FEW", few)
    monkeypatch.setattr(search, "NEWEST", 10 if few < 1000 else search.NEWEST)
    some, most = (80, 40) if nightly else (30, 15)
    for asked in [*(some_of(2) for _ in range(some)), *(some_of(len(ASKED)) for _ in range(most))]:
        wanted = chosen_by({name: value for name, value in asked.items() if value})
        shown = list(itertools.chain(*pages(wanted, size=7)))
        expected = {key.pk: key for key in many if meets(key, asked)}
        assert sorted(shown, key=str) == sorted(expected, key=str), asked
        sort = wanted.sort_in_use()
        places = [SORTED_BY[sort.lstrip("-")](expected[pk]) for pk in shown]
        if sort.lstrip("-") == "created":  # the search index orders by milliseconds
            places = [place.replace(microsecond=place.microsecond // 1000 * 1000) for place in places]
        assert places == sorted(places, reverse=sort.startswith("-")), asked


ALONE = [
    *({"sort": f"{sign}{name}"} for name in SORTS for sign in ("", "-")),
    *({"status": status} for status in ASKED["status"] if status),
    *({"needs": need} for need in ASKED["needs"] if need not in {"", "waiting", *RARE}),
    {"origin": "discovered"},
    {"q": "robot"},
    {"scope": "read:users"},
    {"owner": "admin@contenzilla.example"},
    {"accountable": "admin@contenzilla.example"},
    {"backup": "owner@contenzilla.example"},
    {"team": "data"},
    {"system": "bigquery"},
    {"tag": "nightly"},
    {"kind": "workload"},
    {"environment": "production"},
    {"expires": "7"},
    {"expires": ASKED["expires"][-1]},
]


@in_one_test("asked", ALONE)
def test_a_page_begins_at_its_place_in_an_index_and_sorts_nothing(many, monkeypatch, asked):
    """This keeps the cost the same at any size; `make bench` measures it."""
    monkeypatch.setattr(search, "NEWEST", 10)  # some of which contain the text, so it is common
    sorts, begins = plan_of_second_page(asked)
    assert not sorts
    assert "<" in begins or ">" in begins


def test_postgresql_finds_a_later_page_before_it_joins_anything(many):
    """It would join and sort all keys that share a value such as "no review date"."""
    keys, order = chosen_by({"sort": "review"}).keys()
    rows = keys.values_list("id", "seen_by__name", "backup__email")
    expected = list(keyset.order_by(rows, order))
    with CaptureQueriesContext(connection) as statements:
        found = keyset.page(rows, order, ApiKey.objects.all(), after=expected[4][0], before=None)
    assert page_of(statements).startswith(
        'SELECT "keys_apikey"."id"'
    )  # databases skip joins that nobody reads
    assert page_of(statements).partition(" FROM ")[0].count(",") <= 2  # and the two columns of the order
    assert found.rows == expected[5:55]


@in_one_test("asked", [{"status": "expired"}, {"expires": "7"}, {"status": "active", "sort": "-expires"}])
def test_a_walk_in_a_window_has_only_one_bound_per_side(many, asked):
    """An index might start from the farther one and read all rows between the two."""
    _, begins = plan_of_second_page(asked)
    assert begins.count("<") <= 1
    assert begins.count(">") <= 1


@in_one_test(
    "asked, earlier",
    [({"status": "expired"}, {"status": "active"}), ({"expires": "7"}, {"status": "expired"})],
)
def test_a_key_from_before_the_window_leads_to_its_beginning(many, asked, earlier):
    """Such as one that has expired since its page was shown."""
    keys, order = chosen_by(asked).keys()
    key = keyset.order_by(*chosen_by(earlier).keys())[0].pk
    first, second = (
        keyset.page(keys.values_list("id"), order, ApiKey.objects.all(), after=after, before=None).rows
        for after in (None, key)
    )
    assert first == second != []


def chosen_by(asked: dict[str, str]) -> InventoryFilter:
    params = QueryDict(mutable=True)
    params.update(asked)
    wanted = InventoryFilter(params)
    assert wanted.is_valid()
    return wanted


def plan_of_second_page(asked: dict[str, str]) -> tuple[list[str], str]:
    """Return the steps that sort, and the step that finds the start of the page in an index."""
    keys, order = chosen_by(asked).keys()
    first = keyset.order_by(keys, order)[0].pk
    with CaptureQueriesContext(connection) as statements:
        keyset.page(keys.values_list("id"), order, ApiKey.objects.all(), after=first, before=None)
    return PLANS[connection.vendor](page_of(statements))


def page_of(statements: CaptureQueriesContext) -> str:
    """Return the statement that finds the ids of the page."""
    return next(query["sql"] for query in statements.captured_queries if " LIMIT 51" in query["sql"])


def sqlites_plan(sql: str) -> tuple[list[str], str]:
    """Return the steps that sort, and the step that finds the start of the page in an index."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        steps = [step for *_, step in cursor.fetchall()]
    return [step for step in steps if "TEMP B-TREE" in step], steps[0]


def postgresqls_plan(sql: str) -> tuple[list[str], str]:
    """Return the same steps for PostgreSQL, planned as if there were many rows: it would sort so few."""
    with connection.cursor() as cursor:
        for means in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            cursor.execute(f"SET LOCAL enable_{means} = off")
        cursor.execute(f"EXPLAIN {sql}")
        steps = [step.strip() for (step,) in cursor.fetchall()]
    lookups = [step for step in steps if step.startswith("Index Cond") and {"<", ">"} & set(step.split())]
    return [step for step in steps if "Sort" in step], " ".join(lookups)


PLANS = {"sqlite": sqlites_plan, "postgresql": postgresqls_plan}
