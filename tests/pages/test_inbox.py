"""Test the page Waiting for you and the number in the menu."""

from __future__ import annotations

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import InboxItem, Notification
from keys.rules.notifications import Kind
from keys.selectors.inbox.page import MOST_COUNTED, inbox_page
from tests.cast import actor, an_inbox_item, signed_in
from tests.pages.helpers import attribute, elements, links, queries, rows, text, the, within, words
from tests.support.cases import in_one_test

TASK, MESSAGE = Kind.KEY_EXPIRES, Kind.KEY_DELETED


def many(user, count: int) -> None:
    now = timezone.now()
    made = Notification.objects.bulk_create(
        Notification(kind=TASK, words=f"Number {number}", path="/keys/", at=now) for number in range(count)
    )
    InboxItem.objects.bulk_create(
        InboxItem(notification=one, user=user, is_task=True, state="task") for one in made
    )


def shown(browser, query: str = "") -> list[str]:
    page = browser.get(f"/inbox/{query}")
    return [row["What"] for row in rows(page)] if elements(page, "tbody") else []


@in_one_test("count, number", [(0, ""), (3, " (3)"), (MOST_COUNTED, " (99)"), (MOST_COUNTED + 3, " (99+)")])
def test_the_menu_says_how_much_waits(cast, count, number):
    many(cast.user, count)
    an_inbox_item(cast.admin)
    page = signed_in(cast.user).get("/roles/")
    entry = within(the(page, "nav", aria_label="Portal"), "a", class_="waiting")[0]
    assert (words(entry), attribute(entry, "href")) == (f"Waiting for you{number}", "/inbox/")


def test_tasks_and_messages_are_shown_by_the_filter_and_marked_as_done_or_read(cast):
    browser = signed_in(cast.user)
    task = an_inbox_item(cast.user, TASK, "“Nightly” expires.")
    message = an_inbox_item(cast.user, MESSAGE, "“Weekly” was deleted.")
    an_inbox_item(cast.admin, TASK, "Of somebody else.")
    page = browser.get("/inbox/")
    assert words(the(page, "h1")) == "Waiting for you"
    assert [row["What"] for row in rows(page)] == ["“Weekly” was deleted.", "“Nightly” expires."]
    assert links(page)["“Nightly” expires."] == "/keys/"
    browser.get("/inbox/")
    assert not InboxItem.objects.exclude(done_at=None).exists(), "a GET changes nothing"
    assert shown(browser, "?show=task") == ["“Nightly” expires."]
    assert shown(browser, "?show=message") == ["“Weekly” was deleted."]
    answer = browser.post(f"/inbox/{task.pk}/done/?show=task")
    assert answer["Location"] == "/inbox/?show=task"
    assert "The task is marked as done." in text(browser.get(answer["Location"]))
    assert (shown(browser), shown(browser, "?show=done")) == (
        ["“Weekly” was deleted."],
        ["“Nightly” expires."],
    )
    browser.post("/inbox/read/")
    assert (shown(browser), len(shown(browser, "?show=all"))) == ([], 2)
    message.refresh_from_db()
    assert message.done_at is not None
    assert "Nothing waits for you." in text(browser.get("/inbox/"))


def test_reading_all_messages_leaves_tasks_and_other_people_alone(cast):
    task, others = an_inbox_item(cast.user, TASK), an_inbox_item(cast.admin, MESSAGE)
    an_inbox_item(cast.user, MESSAGE)
    signed_in(cast.user).post("/inbox/read/")
    waiting = InboxItem.objects.filter(done_at=None).order_by("pk")
    assert list(waiting) == [task, others]


def test_nobody_marks_an_item_of_somebody_else(cast):
    theirs = an_inbox_item(cast.admin)
    assert signed_in(cast.owner).post(f"/inbox/{theirs.pk}/done/").status_code == 404
    theirs.refresh_from_db()
    assert theirs.done_at is None


def test_pages_show_every_item_once_and_cost_the_same(cast):
    browser = signed_in(cast.user)
    many(cast.user, 2)
    few = queries(browser, "/inbox/")
    many(cast.user, 118)
    assert queries(browser, "/inbox/") == few
    page = browser.get("/inbox/")
    seen = [row["What"] for row in rows(page)]
    while following := links(page).get("Next"):
        page = browser.get(f"/inbox/{following}")
        seen += [row["What"] for row in rows(page)]
    assert len(seen) == len(InboxItem.objects.all()) == 120
    assert "20 items on this page" in text(page)


@pytest.mark.parametrize(
    ("show", "index"),
    [
        ("", "USING COVERING INDEX inbox_by_state (user_id=? AND state=?)"),
        ("task", "USING COVERING INDEX inbox_by_state (user_id=? AND state=?)"),
        ("message", "USING COVERING INDEX inbox_by_state (user_id=? AND state=?)"),
        ("done", "USING COVERING INDEX inbox_by_state (user_id=? AND state=?)"),
        ("all", "USING COVERING INDEX inbox_by_user (user_id=?)"),
    ],
)
def test_each_filter_walks_an_index_in_the_order_of_the_page(cast, show, index):
    with CaptureQueriesContext(connection) as asked:
        inbox_page(actor(cast.user), QueryDict(f"show={show}"))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
        assert [step[3] for step in cursor.fetchall()] == [f"SEARCH keys_inboxitem {index}"]


def test_a_filter_that_cannot_be_used_is_refused(browser_of):
    answer = browser_of("user").get("/inbox/?show=nonsense")
    assert (answer.status_code, "This filter cannot be used" in text(answer)) == (422, True)
