"""Test the calendar of a person's keys, and the choice of what they are told."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from django.core import mail
from django.test import Client

from keys.actions.notifications.deliver import deliver_due
from keys.actions.notifications.notify import notify
from keys.models import AuditEvent, CalendarFeed, InboxItem, User
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from keys.rules.notifications import Kind
from tests.cast import a_key, said_by, signed_in
from tests.domain.rotation.steps import a_rotation
from tests.pages.helpers import elements, text, the, within
from tests.support.cases import in_one_test

FAR = datetime(2098, 3, 4, 5, 6, 7, tzinfo=UTC)


def new_address(browser) -> str:
    page = browser.post("/account/calendar/make/")
    found = re.findall(r"http://testserver(/calendar/[\w-]{43}\.ics)", page.content.decode())
    assert len(found) == 1
    assert "no-store" in page["Cache-Control"]
    return found[0]


def unfolded(content: bytes) -> list[str]:
    """Return the lines of a calendar. Fail unless it ends and folds them as RFC 5545 says."""
    *lines, end = content.split(b"\r\n")
    assert end == b""
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    assert all(line.decode() for line in lines), "no character is cut"
    return content.decode().replace("\r\n ", "").split("\r\n")[:-1]


def test_the_calendar_shows_when_ones_keys_expire_and_are_to_be_reviewed(cast):
    key = a_key(cast.user, name="Nightly; payroll, “ü” " + "long " * 20 + "end", expires_at=FAR)
    a_key(
        cast.owner, name="Reviewed", expires_at=EXPIRY_NOT_KNOWN, review_on=date(2097, 1, 2), backup=cast.user
    )
    a_key(cast.owner, name="Of somebody else", expires_at=FAR)
    a_key(cast.user, name="Removed", expires_at=FAR, state="revoked", removed_at=FAR)
    rotation = a_rotation(key, a_key(cast.owner), overlap_until=datetime(2097, 1, 1, tzinfo=UTC))
    User.objects.filter(pk=cast.user.pk).update(time_zone="Asia/Tokyo")
    address = new_address(signed_in(cast.user))
    answer = Client().get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    lines = unfolded(answer.content)
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    assert {"VERSION:2.0", "DTSTART:20980304T050607Z", "DTSTART;VALUE=DATE:20970102"} <= set(lines)
    summaries = [line for line in lines if line.startswith("SUMMARY:")]
    assert summaries == [
        "SUMMARY:Nightly\\; payroll\\, “ü” " + "long " * 20 + "end expires",
        "SUMMARY:Reviewed is to be reviewed",
        "SUMMARY:The overlap of Nightly\\; payroll\\, “ü” " + "long " * 20 + "end and its successor ends",
    ]
    assert {f"URL:http://testserver/rotations/{rotation.pk}/", "DTSTART:20970101T000000Z"} <= set(lines)
    assert f"URL:http://testserver/keys/{key.pk}/" in lines
    described = [line for line in lines if line.startswith("DESCRIPTION:")]
    rotate = f"Rotate it: http://testserver/keys/{key.pk}/rotate/"
    assert described[0] == f"DESCRIPTION:4 March 2098\\, 14:06 (Asia/Tokyo). {rotate}"
    assert ("X-WR-TIMEZONE:Asia/Tokyo" in lines, len(described)) == (True, 2)
    ids = [line for line in lines if line.startswith("UID:")]
    assert len(ids) == len(set(ids)) == lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 3
    assert sum(line.startswith("DTSTAMP:") for line in lines) == 3


def test_a_new_address_replaces_the_former_one_and_only_its_hash_is_stored(cast):
    browser = signed_in(cast.user)
    first, second = new_address(browser), new_address(browser)
    assert [Client().get(address).status_code for address in (first, second)] == [404, 200]
    token = second.removeprefix("/calendar/").removesuffix(".ics")
    row = CalendarFeed.objects.get()
    assert token not in row.token_hash
    assert token not in browser.get("/account/").content.decode()
    browser.post("/account/calendar/end/")
    assert Client().get(second).status_code == 404
    kinds = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    assert kinds == ["calendar:make", "calendar:make", "calendar:end"]


def test_a_person_who_may_no_longer_sign_in_has_no_calendar(cast):
    address = new_address(signed_in(cast.user))
    User.objects.filter(pk=cast.user.pk).update(is_active=False)
    assert Client().get(address).status_code == 404


def test_a_choice_is_stored_recorded_and_followed(cast):
    browser = signed_in(cast.user)
    browser.post("/account/notifications/", {"key.expires": "inbox", "key.deleted": "both"})
    event = AuditEvent.objects.get()
    assert (event.type, said_by(event)) == (
        "notification:choose",
        {
            "before": {Kind.KEY_EXPIRES.label: "In the portal and by mail"},
            "after": {Kind.KEY_EXPIRES.label: "In the portal only"},
            "chosen": ["key.expires inbox"],
        },
    )
    chosen = within(the(browser.get("/account/"), "select", name="key.expires"), "option", selected=None)
    assert [dict(option.attributes)["value"] for option in chosen] == ["inbox"]
    notify(Kind.KEY_EXPIRES, words="It expires.", path="/keys/", to=[cast.user])
    deliver_due()
    assert (InboxItem.objects.count(), mail.outbox) == (1, [])
    browser.post("/account/notifications/", {"key.expires": "inbox"})
    assert AuditEvent.objects.count() == 1, "nothing has changed"


@in_one_test("asked", [{"key.expires": "sometimes"}])
def test_a_way_that_is_not_offered_is_refused(cast, asked):
    assert signed_in(cast.user).post("/account/notifications/", asked).status_code == 422


def test_leaks_are_not_offered_and_cannot_be_muted(cast):
    browser = signed_in(cast.user)
    page = browser.get("/account/")
    assert "always told in the portal and by mail of: One of" in text(page)
    offered = {dict(one.attributes)["name"] for one in elements(page, "select")}
    assert "key.leaked" not in offered
    browser.post("/account/notifications/", {"key.leaked": "nothing"})
    notify(Kind.KEY_LEAKED, words="W.", path="/keys/", to=[cast.user])
    assert deliver_due() == "Sent: 1; failed: 0"
