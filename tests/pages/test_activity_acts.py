"""Test that the page Activity shows the steps of one act in one line, also if the act crosses a page border."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict

from keys.actions.bulk.carry_out import carry_out_bulk
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.selectors.activity.acts import DELETING, GENERATING, RESCOPING
from keys.selectors.activity.around import COLUMNS, steps_of, steps_of_keys
from keys.selectors.activity.filters import ActivityFilter
from keys.selectors.bulk.selection import running_lists
from tests import cast as people
from tests.cast import a_live_key
from tests.pages.helpers import (
    HTMX,
    attribute,
    csv_rows,
    elements,
    events,
    rows,
    text,
    the,
    walk_pages,
    within,
    words,
)
from tests.pages.test_activity import plan_of
from tests.pages.test_imports import confirm, dry_run
from tests.support.cases import in_one_test

JULY = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
ADA = {"actor_id": 7, "actor_name": "Ada", "actor_email": "ada@contenzilla.example", "actor_role": "Admin"}
PORTAL = {"actor_id": 0, "actor_name": "The portal"}


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


class Story:
    """Writes events a minute apart."""

    def __init__(self) -> None:
        self.at = JULY

    def tell(self, *types: str, key: uuid.UUID | None = None, who=ADA, **columns) -> uuid.UUID:
        key = key or uuid.uuid4()
        for type_ in types:
            self.at += timedelta(minutes=1)
            kind, _, outcome = type_.partition(" ")
            of_key = {"key_id": key, "key_name": f"Key {str(key)[:4]}"}
            people.an_event(
                **{"type": kind, "outcome": outcome or "done", "at": self.at} | of_key | who | columns
            ).save()
        return key

    def others(self, count: int) -> None:
        for _ in range(count):
            self.tell("session:start")


@pytest.fixture
def story(db):
    return Story()


def whats(response) -> list[str]:
    return [row["What"] for row in rows(response)]


def steps(response) -> list[list[str]]:
    return [
        [words(one) for one in within(found, "li")] for found in elements(response, "details", class_="act")
    ]


def test_a_generated_key_is_one_line_with_its_steps_inside(admin, story):
    key = story.tell("key:request", "key:call", "key:issue")
    story.others(1)
    story.tell("key:reveal", "key:start-save", "key:store failed", "key:store", key=key)
    response = admin.get("/activity/")
    assert whats(response) == [
        "API key requested, generated, viewed, not stored and stored",
        "Signed in",
    ]
    line = rows(response)[0]
    assert line["Who"].startswith("Ada")
    assert line["Outcome"] == "Done"
    assert "7 events, 1 failed" in line["Reason and details"]
    assert len(steps(response)[0]) == 7
    shown = {attribute(link, "href") for link in elements(response, "a")}
    assert {f"/activity/{event.uid}/" for event in AuditEvent.objects.all()} <= shown
    assert "8 events" in words(the(response, "p", class_="total"))
    assert "counts each step" in words(the(response, "p", class_="total"))
    assert "Continues" not in text(response)


@in_one_test(
    "told, what, outcome",
    [
        (["key:request", "key:call", "key:issue failed"], "API key requested and not generated", "Failed"),
        (
            ["key:request", "key:await", "key:paste", "key:store"],
            "API key requested, pasted and stored",
            "Done",
        ),
        (["key:request", "key:await", "key:cancel"], "API key requested and cancelled", "Done"),
        (["key:start-rescope", "key:rescope"], "Scopes changed", "Done"),
        (["key:start-rescope", "key:rescope failed"], "Scope change failed", "Failed"),
        (["key:start-delete", "key:delete failed", "key:delete"], "API key deleted", "Done"),
        (["key:start-delete", "key:confirm-removal"], "Deletion in Cerby confirmed by hand", "Done"),
    ],
)
def test_each_kind_of_act_says_how_it_ended(admin, story, told, what, outcome):
    story.tell(
        *told, details={"before": ["read:users"], "after": ["read:teams"]} if "rescope" in told[0] else {}
    )
    [line] = rows(admin.get("/activity/"))
    assert (line["What"], line["Outcome"]) == (what, outcome)
    assert f"{len(told)} events" in line["Reason and details"]
    if "rescope" in told[0]:
        assert line["Reason and details"].startswith("scopes removed: Read users added: Read teams")


def test_two_changes_of_one_key_are_two_acts_and_refusals_stay_lines(admin, story):
    key = story.tell("key:start-rescope", "key:rescope")
    bea = ADA | {"actor_id": 8, "actor_name": "Bea"}
    story.tell("key:start-rescope", key=key)
    story.tell("key:start-rescope", key=key, who=bea)
    story.tell("key:rescope", key=key)
    story.tell("key:rescope", key=key, who=bea)
    story.tell("key:reveal", "key:reveal refused", key=key)
    response = admin.get("/activity/")
    assert [(row["What"], row["Who"][:3]) for row in rows(response)] == [
        ("View of an API key refused", "Ada"),
        ("API key viewed", "Ada"),
        ("Scopes changed", "Bea"),
        ("Scopes changed", "Ada"),
        ("Scopes changed", "Ada"),
    ]
    assert [len(found) for found in steps(response)] == [2, 2, 2]


def test_the_portal_is_named_after_the_person(admin, story):
    key = story.tell("key:request")
    story.tell("key:look-up", key=key, who=PORTAL)
    [line] = rows(admin.get("/activity/"))
    assert line["Who"].startswith("Ada")
    assert line["Who"].endswith("The portal")


def test_an_act_across_a_page_border_says_that_it_continues(admin, story):
    key = story.tell("key:request", "key:call")
    story.others(1)
    story.tell("key:issue", "key:reveal", key=key)
    story.others(48)
    newer, older = walk_pages(admin, "/activity/")
    assert "API key viewed" not in whats(newer)[:-1]
    assert (whats(newer)[-1], whats(older)) == (
        "API key generated and viewed",
        ["Signed in", "API key requested"],
    )
    assert "its earlier events are on the pages after" in rows(newer)[-1]["Reason and details"]
    assert "its later events are on the pages before" in rows(older)[-1]["Reason and details"]


def test_a_step_alone_on_its_page_continues_too(admin, story):
    key = story.tell("key:start-delete")
    story.others(49)
    story.tell("key:delete", key=key)
    newer, older = walk_pages(admin, "/activity/")
    assert [whats(newer)[0], whats(older)[-1]] == ["API key deleted", "Deletion started"]
    assert "Continues" in rows(newer)[0]["Reason and details"]
    assert "Continues" in rows(older)[-1]["Reason and details"]


def test_an_act_on_many_keys_across_borders_counts_only_its_page(admin, story):
    act = {"details": {"part_of": str(uuid.uuid4())}}
    story.tell("bulk:start", key=None, details=act["details"] | {"act": "delete", "count": 60})
    for _ in range(60):
        story.tell("key:start-delete", "key:delete", **act)
    pages = list(walk_pages(admin, "/activity/"))
    assert [whats(page) for page in pages] == [
        ["Bulk action: 25 API keys deleted on this page"],
        ["Bulk action: 25 API keys deleted on this page"],
        ["Bulk action: 10 API keys deleted on this page"],
    ]
    said = [rows(page)[0]["Reason and details"] for page in pages]
    assert ["earlier" in said[0], "other" in said[1], "later" in said[2]] == [True] * 3


def test_a_partly_done_bulk_action_says_how_many(admin, story):
    act = {"details": {"part_of": str(uuid.uuid4())}}
    story.tell("bulk:start", details=act["details"] | {"act": "delete", "count": 4})
    for _ in range(2):
        story.tell("key:start-delete", "key:delete", **act)
    story.tell("key:start-delete", "key:delete failed", **act)
    story.tell("attempt:refuse refused", **act)
    [line] = rows(admin.get("/activity/"))
    assert line["What"] == "Bulk action: 4 API keys: 2 deleted, 1 not deleted and 1 refused"
    assert line["Outcome"] == "Partly done"
    assert "8 events, 1 refused, 1 failed" in line["Reason and details"]


@pytest.mark.parametrize("query", ["type=key:issue", "outcome=done", "type=key:issue&type=key:reveal"])
def test_a_filter_by_event_finds_single_events(admin, story, query):
    story.tell("key:request", "key:issue", "key:reveal")
    response = admin.get(f"/activity/?{query}")
    assert set(whats(response)) <= {"API key requested", "API key generated", "API key viewed"}
    assert steps(response) == []


def test_a_filter_by_person_folds_what_it_finds_and_the_download_does_not(admin, story):
    key = story.tell("key:request", "key:call", "key:issue")
    story.tell("key:store", key=key, who=PORTAL)
    query = "?actor=ada@contenzilla.example"
    response = admin.get(f"/activity/{query}", headers=HTMX)
    assert whats(response) == ["API key requested and generated"]
    assert "Continues" not in text(response)
    assert len(csv_rows(admin.get(f"/activity/export/{query}"))) == 1 + 3


def test_a_bulk_action_and_an_import_are_one_line_each(admin, cast, workspace):
    keys = [a_live_key(workspace.sandbox, cast.user, name=f"Old {n}")[0] for n in range(3)]
    asked = admin.post("/keys/bulk/select/", {"key": [str(key.pk) for key in keys], "act": "delete"})
    address = asked["Location"].partition("?")[0]
    assert admin.post(f"{address}start/", {"act": "delete"}).status_code == 302
    for selection_id in running_lists():
        carry_out_bulk(selection_id)
    confirm(
        admin,
        dry_run(
            admin,
            *(
                f"{n} export,owner@contenzilla.example,2099-01-31,Copies accounts.,Read users,2026-01-02"
                for n in ("Nightly", "Weekly")
            ),
        ),
    )
    response = admin.get("/activity/?since=2020-01-01")
    assert "Bulk action: 3 API keys deleted" in whats(response)
    assert "Import: 2 API keys registered" in whats(response)
    ids = {
        people.said_by(event)["part_of"] for event in events() if event.type in {"bulk:start", "key:delete"}
    }
    assert ids == {address.split("/")[3]}


def test_the_steps_beside_a_page_are_read_from_the_index_of_the_keys(story):
    for _ in range(10):
        story.tell("key:request", "key:issue")
    shown = steps_of(AuditEvent.objects.order_by("-at").values_list(*COLUMNS))
    assert "event_by_key" in plan_of(steps_of_keys(shown)[:50])


def test_every_step_is_an_event_with_a_key():
    assert {*GENERATING, *DELETING, *RESCOPING} <= set(Event)
    wanted = ActivityFilter(QueryDict("type=key:issue"))
    assert wanted.is_valid()
    assert wanted.finds_single_events()


def test_a_deletion_that_the_portal_carried_out_names_the_person_who_started_it(admin, story, cast):
    key = people.a_key(cast.user, name="Old").pk
    story.tell("key:start-delete", "key:delete failed", key=key)
    story.tell("key:delete failed", "key:delete", key=key, who=PORTAL)
    story.tell("key:start-delete", "key:delete", who=PORTAL)
    by_portal, by_ada = rows(admin.get("/activity/"))
    assert (by_portal["Who"], by_portal["What"]) == ("The portal", "API key deleted")
    assert by_ada["Who"] == "Ada ada@contenzilla.example · carried out by the portal"
    found = rows(admin.get(f"/activity/?type=key:delete&key={key}&outcome=failed"))
    assert [row["What"] for row in found] == ["Deletion failed"] * 2
    assert ["carried out by the portal" in row["Who"] for row in found] == [True, False]
    event = AuditEvent.objects.filter(key_id=key).order_by("-id").first()
    assert "Ada ada@contenzilla.example · carried out by the portal" in text(
        admin.get(f"/activity/{event.uid}/")
    )
    assert "API key deleted · Ada (carried out by the portal)" in text(admin.get(f"/keys/{key}/"))
    assert "Deletion failed" in text(admin.get(f"/keys/{key}/"))


def test_the_pages_of_a_key_and_of_a_person_fold_acts_too(admin, browser_of, story, cast):
    key = people.a_key(cast.user, name="Folded").pk
    ada = ADA | {"actor_email": cast.owner.email}
    story.tell("key:request", "key:call", "key:issue", "key:reveal", "key:store", key=key, who=ada)
    response = admin.get(f"/keys/{key}/")
    assert [len(act) for act in steps(response)] == [5]
    assert "API key requested, generated, viewed and stored · Ada (Admin)" in text(response)
    of_owner = browser_of("user").get(f"/keys/{key}/")
    assert [len(act) for act in steps(of_owner)] == [5]
    assert not [link for link in elements(of_owner, "a") if "/activity/" in attribute(link, "href")]
    assert [len(act) for act in steps(admin.get(f"/people/{cast.owner.pk}/"))] == [5]
    assert [len(act) for act in steps(admin.get("/"))] == [5]
