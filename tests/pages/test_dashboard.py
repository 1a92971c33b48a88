"""Test the dashboard: the verdict, lines that link to the rows they count, and charts with their numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test.html import Element
from django.utils import timezone

from keys.jobs.schedule import make_rows
from keys.jobs.tasks import figures, sweep
from keys.models import AuditEvent, DashboardFigures, PeriodicJob, User
from keys.rules.lifecycle import State
from tests.cast import a_key, an_event
from tests.pages.helpers import (
    attribute,
    elements,
    events,
    many_keys,
    names,
    queries,
    text,
    the,
    within,
    words,
)
from tests.pages.journey import viewed

NOW = timezone.now()
USED: dict[str, Any] = {"last_used_at": NOW}
FAR = NOW + timedelta(days=200)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def all_well(db):
    """Record that every background job has just run and that the inventory matches Cerby."""
    make_rows()
    now = timezone.now()
    PeriodicJob.objects.update(
        started_at=now,
        finished_at=now,
        succeeded_at=now,
        succeeded=True,
        summary="2 of 2 live keys confirmed",
    )


def event(**columns) -> AuditEvent:
    return an_event(**{"at": NOW} | columns)


@pytest.fixture
def a_lot_to_do(cast):
    many_keys(cast.owner, 2, name="Stuck", state=State.REVOKING, attempts=6)
    many_keys(cast.owner, 3, name="Left", expires_at=FAR, owner_left_at=NOW, **USED)
    many_keys(cast.owner, 2, name="In hours", expires_at=NOW + timedelta(hours=5), **USED)
    many_keys(cast.owner, 4, name="In week", expires_at=NOW + timedelta(days=6), **USED)
    many_keys(cast.owner, 5, name="Missing", expires_at=FAR, missing_since=NOW, **USED)
    many_keys(cast.owner, 6, name="Found", expires_at=FAR, origin="discovered", purpose="", **USED)
    many_keys(cast.owner, 7, name="Unconfirmed", expires_at=FAR, state=State.CLAIMED, **USED)
    old: dict[str, Any] = {"created_at": NOW - timedelta(days=120), "expires_at": FAR}
    many_keys(cast.owner, 8, name="Quiet", last_used_at=NOW - timedelta(days=91), **old)
    many_keys(cast.owner, 9, name="Quieter", last_used_at=NOW - timedelta(days=50), **old)
    many_keys(cast.owner, 10, name="In month", expires_at=NOW + timedelta(days=20), **USED)
    many_keys(cast.owner, 11, name="In quarter", expires_at=NOW + timedelta(days=80), **USED)
    many_keys(cast.owner, 12, name="Never used", expires_at=FAR)
    many_keys(cast.owner, 13, name="Expired", expires_at=NOW - timedelta(hours=1), **USED)
    many_keys(cast.owner, 14, name="Removed", state=State.REVOKED, removed_at=NOW, **USED)
    a_key(cast.owner, name="Pending", state=State.IN_DOUBT, cerby_id=None)
    a_key(cast.owner, name="Failed", state=State.REFUSED, cerby_id=None)
    before = NOW - timedelta(days=9)
    AuditEvent.objects.bulk_create(
        [
            event(type="sweep:stop", outcome="failed"),
            *(event(type="key:change", key_name="Robot") for _ in range(3)),
            *(event(outcome="refused") for _ in range(4)),
            event(type="key:change", at=before),
            event(outcome="refused", at=before),
        ]
    )


def lines(response) -> dict[str, tuple[str, str]]:
    """Return the number and the link of each line and status, by label."""
    found = {}
    for listed in ("ol", "lines"), ("ul", "stats"):
        for line in elements(response, listed[0], class_=listed[1]):
            for link in within(line, "a"):
                label = within(link, "span")[0].children[0] if within(link, "span") else link.children[-1]
                found[words(label)] = words(within(link, "b")[0]), str(attribute(link, "href"))
    return found


def verdict(response) -> str:
    return words(the(response, id="verdict"))


def test_the_numbers_and_their_order(admin, a_lot_to_do):
    found = lines(admin.get("/"))
    assert {label: count for label, (count, _) in found.items()} == {
        "Removal stuck": "2",
        "Comparisons with Cerby stopped in 7 days": "1",
        "Owner disabled or left": "3",
        "Expiring within 24 hours": "2",
        "Expiring within 7 days": str(2 + 4),
        "Missing in Cerby": "5",
        "Changes in Cerby in 7 days": "3",
        "Discovered, not adopted": "6",
        "Storage unconfirmed": "7",
        "Unused for 90 days": "8",
        "Expiring within 30 days": str(2 + 4 + 10),
        "Expiring within 90 days": str(2 + 4 + 10 + 11),
        "Unused for 45 days": str(8 + 9),
        "Never used": "12",
        "Attempts refused in 7 days": "4",
        "Active": str(2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12),
        "Pending": "1",
        "Expired": "13",
        "Removed": str(2 + 14),
    }
    assert list(found)[:5] == [
        "Removal stuck",
        "Comparisons with Cerby stopped in 7 days",
        "Expiring within 24 hours",
        "Expiring within 7 days",
        "Missing in Cerby",
    ]


def numbers(response) -> list[tuple[str, int, str]]:
    """Return each number that is a link or is beside one: its words, the number, and the link."""
    main = the(response, "main")
    found = []
    in_tables = {id(link) for table in within(main, "table") for link in within(table, "a")}
    for link in within(main, "a"):
        address, said = str(attribute(link, "href")), words(link)
        if id(link) not in in_tables and re.match(r"/(keys|activity)/\?", address) and re.search(r"\d", said):
            shown = within(link, "b")
            number = words(shown[0]) if shown else said.rpartition("”: ")[2]
            found.append((said, number, address))
    for row in [row for table in within(main, "table") for row in within(table, "tr")]:
        cells = within(row, "td")
        links = [link for cell in cells for link in within(cell, "a")]
        found += [(words(row), words(link), str(attribute(link, "href"))) for link in links]
        if cells and (label := within(row, "th")) and within(label[0], "a"):
            found.append((words(row), words(cells[0]), str(attribute(within(label[0], "a")[0], "href"))))
    return [(said, int(re.findall(r"\d+", number)[0]), address) for said, number, address in found]


def total(page) -> int:
    """Return the number of rows on all pages, as the page says."""
    said = elements(page, "p", class_="total")
    return int(re.findall(r"\d+", words(said[0]))[0]) if said else 0


def test_every_number_leads_to_exactly_so_many_rows(admin, a_lot_to_do, cast, vendor):
    zone = {"sqlite": "UTC", "postgresql": "Pacific/Kiritimati"}[vendor]
    a_key(cast.admin, name="Unknown scope", scopes=["read:minds"], expires_at=FAR, **USED)
    a_key(cast.admin, name="Later today", expires_at=NOW + timedelta(days=90, minutes=-1), **USED)
    a_key(cast.guest, name="Writer", scopes=["write:users"], expires_at=NOW + timedelta(days=90), **USED)
    a_key(cast.guest, name="Mistake", state=State.WITHDRAWN, cerby_id=None)
    admin.cookies["portal-tz"] = zone
    make_rows()
    figures.func()
    found = numbers(admin.get("/"))
    assert len(found) > 60
    wrong = [(*one, total(admin.get(one[2]))) for one in found]
    assert [one for one in wrong if one[1] != one[3]] == []


def test_checks_that_found_nothing_are_listed_and_link_to_an_empty_list(admin, cast):
    a_key(cast.owner, expires_at=FAR, **USED)
    clear = within(the(admin.get("/"), "details", class_="clear"), "a")
    assert len(clear) == 27
    for link in clear:
        assert "tbody" not in str(admin.get(str(attribute(link, "href"))).content), words(link)


def test_counts_above_a_thousand_are_capped(admin, cast, monkeypatch):
    monkeypatch.setattr("keys.selectors.counts.COUNT_LIMIT", 3)
    many_keys(cast.owner, 3, name="Stuck", state=State.REVOKING, attempts=6)
    assert lines(admin.get("/"))["Removal stuck"][0] == "3"
    a_key(cast.owner, state=State.REVOKING, attempts=6)
    assert lines(admin.get("/"))["Removal stuck"][0] == "3+"


def test_the_verdict_without_tasks(admin, cast, all_well):
    a_key(cast.owner, expires_at=FAR, **USED)
    response = admin.get("/")
    assert verdict(response) == "All is well"
    assert "Compared just now: 2 of 2 live keys confirmed." in text(response)
    assert "Every job ran on time." in text(response)


def test_lines_that_are_good_to_know_are_no_tasks(admin, cast, all_well):
    a_key(cast.owner, expires_at=NOW + timedelta(days=20), **USED)
    response = admin.get("/")
    assert verdict(response) == "All is well"
    assert lines(response)["Expiring within 30 days"][0] == "1"


def test_things_to_do_are_counted_and_the_first_is_named(admin, cast, all_well):
    a_key(cast.owner, expires_at=NOW + timedelta(days=2), **USED)
    assert verdict(admin.get("/")) == "1 thing to do"
    a_key(cast.owner, state=State.REVOKING, attempts=6)
    response = admin.get("/")
    assert verdict(response) == "2 things to do"
    assert "Start with “Removal stuck”: 1 ." in text(response)
    [link] = [one for one in elements(response, "a") if words(one) == "“Removal stuck”: 1"]
    assert len(names(admin.get(str(attribute(link, "href"))))) == 1


def test_an_outage_of_cerby_is_shown_with_its_start(admin, cast, all_well, sandbox, settings):
    a_key(cast.owner, expires_at=NOW + timedelta(days=2), **USED)
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    sweep.func()
    response = admin.get("/")
    assert verdict(response) == "Something is broken"
    assert "Fix this first: Cerby. There is also 1 thing to do." in text(response)
    assert "Last compared just now. Cerby could not be asked" in text(response)
    assert lines(response)["Expiring within 7 days"][0] == "1"


def test_an_empty_workspace_shows_the_first_steps(admin, all_well):
    response = admin.get("/")
    assert verdict(response) == "All is well"
    assert "No API keys yet" in text(response)
    assert lines(response) == {}


def table(response, caption: str) -> list[list[str]]:
    """Return the cells of a chart's table, row by row."""
    [found] = [one for one in elements(response, "table") if words(within(one, "caption")[0]) == caption]
    cells = [
        [words(cell) for cell in line.children if isinstance(cell, Element)] for line in within(found, "tr")
    ]
    return cells[1:]


def test_before_they_are_counted_the_charts_say_that_they_are_being_made(admin, cast):
    a_key(cast.owner)
    response = admin.get("/")
    assert "Not counted yet" in text(response)
    assert elements(response, "svg", role="img") == []
    figures.func()
    response = admin.get("/")
    assert "Not counted yet" not in text(response)
    assert "Days and weeks are in UTC." in text(response)


def test_figures_that_were_counted_before_the_first_keys_are_not_shown_as_zero(admin, cast):
    figures.func()
    many_keys(cast.owner, 3)
    response = admin.get("/")
    assert lines(response)["Active"][0] == "3"
    assert "Not counted yet" in text(response)
    assert "0 keys" not in text(response)


def test_the_calendar_marks_the_days_on_which_many_keys_expire(admin, cast):
    noon = datetime.combine(NOW.date() + timedelta(days=40), datetime.min.time(), tzinfo=UTC) + timedelta(
        hours=12
    )
    many_keys(cast.owner, 7, name="Rollout", expires_at=noon)
    many_keys(cast.owner, 2, name="Pair", expires_at=noon + timedelta(days=7))
    a_key(cast.owner, name="Far", expires_at=FAR)
    make_rows()
    figures.func()
    response = admin.get("/")
    cliff = f"{noon:%a} {noon.day} {noon:%b %Y}"
    assert [words(one) for one in elements(response, "text", class_="on-cliff")] == ["7"]
    assert f"Many keys expire on one day: 7 on {cliff}" in text(response)
    assert [line[1] for line in table(response, "Active keys that expire, by day")] == ["7", "2"]
    assert (
        words(the(response, id="expiries-said"))
        == f"9 keys of 10 active, on 2 days. The most on one day: 7, on {cliff}."
    )
    [link] = [one for one in elements(response, "a") if words(one) == f"7 on {cliff}"]
    assert len(names(admin.get(str(attribute(link, "href"))))) == 7


def test_owners_scopes_and_reach(admin, cast):
    many_keys(cast.owner, 2, name="Wide", scopes=["read:users", "write:users"])
    many_keys(cast.admin, 3, name="Reader", scopes=["read:users"])
    a_key(cast.guest, name="Unknown", scopes=["read:minds"])
    a_key(cast.guest, name="Over", scopes=["read:users"], expires_at=NOW - timedelta(hours=1))
    User.objects.filter(pk=cast.admin.pk).update(left_at=NOW)
    make_rows()
    figures.func()
    response = admin.get("/")
    assert [line[:2] for line in table(response, "The owners of the most active keys")] == [
        ["Admin Person disabled or left Admin", "3"],
        ["Owner Person Owner", "2"],
        ["Guest Person Guest User", "1"],
    ]
    reach = table(response, "Active keys by scope and by the role of their owner")
    assert [[line[0], line[1], *line[3:]] for line in reach] == [
        ["Write users", "2", "2", "0", "0"],
        ["read:minds", "1", "0", "0", "1"],
        ["Read users", "5", "2", "3", "0"],
    ]
    assert "2 keys can “Write users” as Owner ; 1 key can “read:minds” as Guest User" in text(response)


def test_weekly_counts_of_made_removed_and_refused(admin, cast):
    now = timezone.now()  # NOW may be of last week
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    instant = timedelta(microseconds=1)
    a_key(cast.owner, created_at=monday - instant)
    a_key(cast.owner, created_at=monday)
    a_key(
        cast.owner, created_at=monday - timedelta(weeks=11), state=State.REVOKED, removed_at=monday - instant
    )
    a_key(cast.owner, created_at=monday - timedelta(weeks=11) - instant)
    a_key(cast.owner, created_at=monday, state=State.REFUSED, cerby_id=None)
    AuditEvent.objects.bulk_create(event(at=monday - instant, outcome="refused") for _ in range(3))
    make_rows()
    figures.func()
    response = admin.get("/")
    made = [line[1:] for line in table(response, "Keys made and removed, by week")]
    assert made == [["1", "0"], *[["0", "0"]] * 9, ["1", "1"], ["1", "0"]]
    assert [line[1] for line in table(response, "Attempts refused, by week")] == [*"00000000003", "0"]


def test_the_newest_activity_is_here(admin):
    key, _ = viewed(admin, name="Payroll")
    response = admin.get("/")
    assert "API key viewed" in text(response)
    assert f"/keys/{key.pk}/" in [dict(link.attributes)["href"] for link in elements(response, "a")]


def test_it_is_marked_in_the_navigation(admin):
    assert words(the(admin.get("/"), "a", aria_current="page")) == "Dashboard"


def test_people_without_permission_are_redirected_to_their_keys_or_the_roles(browser_of, cast):
    a_key(cast.login_only)
    assert browser_of("login_only").get("/")["Location"] == "/keys/mine/"
    assert browser_of("guest").get("/")["Location"] == "/roles/"
    assert events(outcome="refused") == []


def test_fifty_keys_and_events_cost_as_many_queries_as_one(admin, cast):
    a_key(cast.owner)
    AuditEvent.objects.bulk_create([event()])
    make_rows()
    figures.func()
    one = queries(admin, "/")
    many_keys(cast.admin, 49, name="Robot")
    AuditEvent.objects.bulk_create(event(type="key:call") for _ in range(49))
    DashboardFigures.objects.all().delete()
    figures.func()
    assert queries(admin, "/") == one
