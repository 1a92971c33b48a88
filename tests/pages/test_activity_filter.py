"""Test the newer filters of the page Activity: several events, key names, former addresses; and its words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from keys.models import AuditEvent
from keys.rules.event_contents import DETAILS
from keys.rules.events import Event
from keys.selectors.activity import table
from keys.selectors.activity.filters import GROUPS
from keys.selectors.activity.words import label_of
from tests import cast as people
from tests.cast import a_key
from tests.pages.helpers import attribute, csv_rows, elements, rows, text, the, words
from tests.support.cases import in_one_test

JULY = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def an_event(**columns) -> AuditEvent:
    event = people.an_event(**{"at": JULY} | columns)
    event.save()
    return event


def whats(response) -> list[str]:
    return [row["What"] for row in rows(response)] if elements(response, "tbody") else []


def test_several_types_are_shown_in_the_order_of_time(admin):
    for hour, type_ in enumerate(["key:delete", "key:issue", "inventory:export", "key:delete"] * 20):
        an_event(type=type_, at=JULY + timedelta(hours=hour))
    first = admin.get("/activity/?type=key:delete&type=inventory:export")
    assert len(whats(first)) == 50
    assert whats(first)[:3] == ["API key deleted", "Inventory downloaded", "API key deleted"]
    second = admin.get("/activity/" + str(attribute(the(first, "a", rel="next"), "href")))
    assert len(whats(second)) == 10
    back = admin.get("/activity/" + str(attribute(the(second, "a", rel="prev"), "href")))
    assert [row["When"] for row in rows(back)] == [row["When"] for row in rows(first)]
    _header, *lines = csv_rows(admin.get("/activity/export/?type=key:delete&type=inventory:export"))
    assert len(lines) == 60


def test_each_type_is_in_one_group(admin):
    page = admin.get("/activity/")
    boxes = [attribute(box, "value") for box in elements(page, "input", name="type")]
    assert sorted(map(str, boxes)) == sorted(Event)
    headings = [words(found) for found in elements(page, "b")]
    assert set(GROUPS) <= set(headings)


@in_one_test(
    "name, found",
    [("payroll", {"API key deleted"}), ("PAY roll", {"API key deleted"}), ("nothing", set())],
)
def test_events_are_found_by_the_name_of_the_key(admin, cast, name, found):
    key = a_key(cast.owner, name="Payroll")
    other = a_key(cast.owner, name="Other", purpose="Not the payroll.")
    an_event(type="key:delete", key_id=key.pk, key_name="Payroll")
    an_event(type="key:issue", key_id=other.pk, key_name="Other")
    assert set(whats(admin.get("/activity/", {"key_name": name}))) == found


@in_one_test("name", ["a", "-_.", "a b"])
def test_a_name_that_is_too_short_is_refused_with_a_reason(admin, name):
    response = admin.get("/activity/", {"key_name": name})
    assert response.status_code == 422
    assert "at least 2 characters" in text(response)


def test_a_person_is_found_under_every_address_that_they_had(admin, cast):
    now, before, first = cast.owner.email, "owner.married@contenzilla.example", "o@contenzilla.example"
    for hour, (former, email) in enumerate([(first, before), (before, now)]):
        details = {"person": str(cast.owner.pk), "before": {"email": former}, "after": {"email": email}}
        an_event(type="person:change", at=JULY - timedelta(days=2 - hour), details=details | {"email": email})
    for number, email in enumerate([first, before, now]):
        an_event(
            type="key:delete",
            actor_email=email,
            actor_id=cast.owner.pk,
            at=JULY + timedelta(hours=number),
        )
    an_event(type="key:issue", actor_email=cast.user.email, actor_id=cast.user.pk)
    for email in (first, before, now):
        page = admin.get("/activity/", {"actor": email})
        assert whats(page) == ["API key deleted"] * 3, email
        assert words(the(page, "h2")) == "Everything that Owner Person did"


@in_one_test(
    "type_, details, said",
    [
        ("key:start-delete", {"from_state": "held"}, "before that: in use"),
        ("key:declare-removed", {"from_state": "in_doubt"}, "before that: in doubt"),
        ("key:reveal", {"thumbprint": "abc123", "further_refusals": 2}, "also refused: 2 more times"),
        ("key:repair", {"before": {"state": "held"}, "after": {"state": "revoked"}}, "deleted"),
        ("key:edit", {"before": {"kind": "", "review_on": None}, "after": {"kind": "agent", "review_on": "2027-01-31"}},
         "31 January 2027"),
        ("key:edit", {"before": {"accountable": None}, "after": {"accountable": {"id": "7", "email": "a@x.example"}}},
         "a@x.example"),
        ("bulk:start", {"act": "remind", "count": 12}, "action: remind owners"),
        ("quarantine:start", {"cause": "too_many"}, "cause: More keys would be revoked"),
        ("inventory:compare", {"group": "missing-here", "count": 3, "rows": 9, "unreadable": 0, "whole_table": True},
         "the whole table was pasted: yes"),
        ("inventory:search", {"filter": "q=pay roll, needs=owner-left unused-90, status=active"},
         "searched for: search: pay roll, needs attention: Owner disabled or left or Unused for 90 days, status: Active"),
        ("activity:export", {"filter": "type=key:delete, actor=a@x.example", "count": 1}, "what: API key deleted"),
        ("attempt:refuse", {"action": "key:generate"}, "action: generate"),
        ("record:verify", {"events": 3, "damage": ["ROOT at events 6 to 10"]}, "Events 6 to 10: The events do not"),
        ("record:find-forgery", {"events": [4], "leaves": ["abcdef0123"]}, "number of events: 4"),
        ("policy:apply", {"settings": {"PORTAL_KEY_MANAGEMENT": "owner-only"}, "rules": {"key:see": {}}},
         "who manages keys: owner-only"),
        ("person:add", {"person": "7", "role": "Admin", "link": "mailed"}, "link to set a password: mailed to the person"),
        ("evidence:export", {"since": "2026-07-01T00:00:00Z", "until": "2026-08-01T00:00:00Z"}, "since: 1 July 2026"),
        ("key:store", {"how": "saved in Cerby", "shared": "no"}, "shared with the key's owner: no"),
    ],
)  # fmt: skip
def test_details_are_words_on_the_page_and_in_the_download(admin, type_, details, said):
    an_event(type=type_, details=details)
    page = words(the(admin.get("/activity/"), "tbody"))
    *_, line = csv_rows(admin.get("/activity/export/"))
    for shown in (page, line[-1]):
        assert said in shown
        raw = r"held|thumbprint|abc|ROOT|missing-here|too_many|owner-left|key:|True|PORTAL_|[a-z]_[a-z]|[{}=\[\]]"
        assert not re.search(raw, shown), shown


def test_every_detail_has_a_label_of_words():
    labels = {label_of(kind, name) for kind in Event for name in DETAILS.get(kind, ())}
    assert [
        label for label in labels if "_" in label or label in {"act", "keys", "link", "how", "found"}
    ] == []


def test_totals(admin, monkeypatch):
    for hour in range(60):
        an_event(type="key:delete", at=JULY + timedelta(hours=hour))
    an_event(type="key:issue")
    assert words(the(admin.get("/activity/?type=key:issue"), "p", class_="total")) == "1 event"
    assert words(the(admin.get("/activity/?type=key:delete"), "p", class_="total")) == "60 events"
    assert words(the(admin.get("/activity/"), "p", class_="total")).startswith("6")
    both = "/activity/?type=key:delete&outcome=done"
    assert words(the(admin.get(both), "p", class_="total")) == "More than 50 events"
    monkeypatch.setattr(table, "TOTAL_LIMIT", 55)
    assert words(the(admin.get("/activity/?type=key:delete"), "p", class_="total")) == "More than 55 events"
