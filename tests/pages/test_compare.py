"""Test the comparison with Cerby's web app: what people paste, what they see, and what a confirmation does."""

from __future__ import annotations

import html
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey, Comparison, User
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from tests.cast import a_key, said_by
from tests.pages.helpers import (
    attribute,
    elements,
    events,
    links,
    messages_of,
    names,
    reason_beside,
    text,
    the,
    within,
    words,
)
from tests.support.row_check import wrong_keys

URL, CONFIRM = "/keys/compare/", "/keys/compare/confirm/"
HEADER = "Name\tCreated on\tBy\tStatus\t\n"
CREATED = datetime(2026, 11, 3, 9, tzinfo=UTC)
SECRET = "sbx_zT5yBq2mW8nR4kL7vX1cJ9hD3fG6sA0pQeUiOwYtZrM"


@pytest.fixture
def admin(browser_of, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    return browser_of("admin")


@pytest.fixture
def key(cast):
    return declared(cast.owner, name="Nightly export")


def declared(owner, **columns):
    return a_key(owner, **{"cerby_id": None, "origin": "declared", "created_at": CREATED} | columns)


def row(
    name="Nightly export",
    created="Nov 3, 2026",
    by="Owner Person\nowner@contenzilla.example",
    status="Active",
):
    return f"{name}\t{created}\t{by}\t{status}\t⋮\n"


def paste(browser, *rows, header=HEADER, **more):
    return browser.post(URL, {"text": header + "".join(rows), **more})


def group(response, name: str) -> list[list[str]]:
    """Return the cells of each line of a group."""
    section = the(response, "section", id=name)
    lines = [line for body in within(section, "tbody") for line in within(body, "tr")]
    return [[words(cell) for cell in line.children if not isinstance(cell, str)] for line in lines]


def names_in(response, name: str) -> list[str]:
    return [cells[0] for cells in group(response, name)]


def press(browser, response, name: str, **more):
    """Press the button of a group: submit the page's form as a browser does."""
    [held] = re.findall(
        r'<textarea name="text" hidden[^>]*>\n(.*?)</textarea>', response.content.decode(), re.DOTALL
    )
    fields = {
        attribute(field, "name"): attribute(field, "value") or ""
        for field in elements(response, "input", type="hidden")
        if attribute(field, "name") != "csrfmiddlewaretoken"
    }
    text_back = html.unescape(held).replace("\n", "\r\n")
    return browser.post(CONFIRM, fields | {"text": text_back, "group": name} | more)


def test_a_confirmed_key_says_who_confirmed_it_and_when(admin, cast, key):
    response = paste(admin, row())
    assert names_in(response, "confirmed") == ["Nightly export"]
    assert "not confirmed yet" in group(response, "confirmed")[0][4]
    assert not ApiKey.objects.exclude(seen_at=None).exists()
    done = press(admin, response, "confirmed")
    assert "1 key is confirmed against Cerby's web app." in messages_of(done)
    assert "confirmed by Admin Person" in group(done, "confirmed")[0][4]
    key.refresh_from_db()
    assert key.seen_by == cast.admin
    [confirmed, compared] = events(type__in=["key:confirm", "inventory:compare"])
    assert confirmed.key_id == key.pk
    assert compared.details == {
        "group": "confirmed", "count": 1, "rows": 1, "unreadable": 0, "whole_table": False,
        "part_of": confirmed.details["part_of"],
    }  # fmt: skip


def test_what_was_shown_and_the_answer_must_agree(admin, cast, key):
    response = paste(admin, row(), row("Other"))
    press(admin, response, "confirmed")
    again = press(admin, response, "confirmed")  # a double click, or a second admin with the same page
    assert again.status_code == 409
    assert "Nothing was changed" in messages_of(again)
    assert len(events(type="key:confirm")) == 1
    declared(cast.owner, name="Other")
    changed = press(admin, response, "missing-here", purpose="To test.")
    assert changed.status_code == 409
    assert names_in(changed, "missing-here") == []
    assert ApiKey.objects.filter(name="Other").count() == 1


def test_missing_keys_are_adopted_together(admin, cast, sandbox):
    sandbox.add_person(
        email="new@contenzilla.example", first_name="Nia", last_name="New", role="workspace_user"
    )
    response = paste(admin, row("One"), row("Two", by="Nia New"), row("Three", by="Nobody Here"))
    assert names_in(response, "missing-here") == ["One", "Two", "Three"]
    assert "left out Nobody is called “Nobody Here”" in group(response, "missing-here")[2][4]
    assert "put their email after the name" in text(response)
    assert not User.objects.filter(email="new@contenzilla.example").exists()
    without = press(admin, response, "missing-here")
    assert without.status_code == 422
    assert "The purpose is missing" in text(without)
    done = press(admin, response, "missing-here", **{"purpose": "Exports.", "purpose-4": "Pages."})
    assert "2 keys are adopted" in messages_of(done)
    one, two = ApiKey.objects.order_by("name")
    assert (one.owner, one.purpose, one.origin, one.scopes) == (cast.owner, "Exports.", "declared", [])
    assert (two.owner.email, two.purpose) == ("new@contenzilla.example", "Pages.")
    assert one.expires_at == EXPIRY_NOT_KNOWN
    assert one.seen_by == cast.admin
    assert names_in(done, "confirmed") == ["One", "Two"]
    assert wrong_keys() == []


def test_a_key_of_somebody_who_was_created_again_in_cerby_belongs_to_the_new_one(admin, cast):
    left = {"cerby_id": uuid.uuid4(), "is_active": False, "left_at": timezone.now()}
    User.objects.filter(pk=cast.user.pk).update(**left)
    for name, by in (("One", f"{cast.user.name}\n{cast.user.email}"), ("Two", cast.user.name)):
        press(admin, paste(admin, row(name, by=by)), "missing-here", purpose="Exports.")
    owners = {key.owner for key in ApiKey.objects.select_related("owner")}
    assert [(owner.email, owner.left_at) for owner in owners] == [(cast.user.email, None)]


def test_two_keys_with_one_name_and_owner_are_both_adopted_and_lead_to_each_other(admin, sandbox):
    response = paste(admin, row("Twin", "Nov 3, 2026"), row("Twin", "Nov 10, 2026"))
    press(admin, response, "missing-here", purpose="Cerby allows two.")
    one, two = ApiKey.objects.order_by("created_at")
    assert (one.holds_name, two.holds_name) == (1, None)
    assert links(admin.get(f"/keys/{one.pk}/"))["Look at the other key"] == f"/keys/{two.pk}/"


def test_keys_that_the_table_lacks_are_listed_only_if_it_is_whole(admin, cast, key):
    other = declared(cast.owner, name="Gone")
    declared(cast.owner, name="Expired anyway", expires_at=timezone.now() - timedelta(days=1))
    part = paste(admin, row())
    assert elements(part, "section", id="missing-there") == []
    whole = paste(admin, row(), whole="on")
    assert names_in(whole, "missing-there") == ["Gone"]
    done = press(admin, whole, "missing-there")
    assert "1 key is declared as removed." in messages_of(done)
    other.refresh_from_db()
    assert other.state == "revoked"
    [event] = events(type="key:declare-removed")
    assert (event.actor_email, event.details["shown"]) == (cast.admin.email, "not in the table")
    assert Comparison.objects.get().whole_at is not None


def test_a_paste_with_fewer_rows_than_cerby_counts_is_not_whole(admin, cast, key):
    declared(cast.owner, name="On the second page")
    response = paste(admin, row(), "1\N{EN DASH}25 of 64\n", whole="on")
    assert elements(response, "section", id="missing-there") == []
    assert "64 rows" in words(the(response, id="incomplete"))


def test_a_key_in_a_line_that_was_not_read_is_not_missing_there(admin, cast, key):
    declared(cast.owner, name="Odd")
    declared(cast.owner, name="deploy-a8f3b2c19d7e4f60")
    response = paste(admin, row(), row("Odd", status="Snoozed"), row("deploy-a8f3b2c19d7e4f60"), whole="on")
    notes = {cells[0]: cells[4] for cells in group(response, "missing-there")}
    assert notes == {
        "Odd": "left out A line that could not be read has this name.",
        "deploy-a8f3b2c19d7e4f60": "left out Its name looks like an API key, so the portal has not read it from "
        "the table.",
    }
    press(admin, response, "missing-there")
    assert ApiKey.objects.filter(state="revoked").count() == 0


@pytest.mark.parametrize("status", ["Revoked", "EXPIRED", "disabled", "Removed"])
def test_a_key_that_ended_there_can_be_declared_as_removed(admin, key, status):
    response = paste(admin, row(status=status))
    assert names_in(response, "removed-there") == ["Nightly export"]
    press(admin, response, "removed-there")
    key.refresh_from_db()
    assert key.state == "revoked"
    [event] = events(type="key:declare-removed")
    [compared] = events(type="inventory:compare")
    assert event.details == {"from_state": "held", "shown": status, "part_of": compared.details["part_of"]}
    assert wrong_keys() == []


def test_a_deletion_that_waits_for_a_confirmation_is_confirmed(admin, cast):
    key = declared(cast.owner, name="Nightly export", state="revoking")
    press(admin, paste(admin, row(status="Removed")), "removed-there")
    key.refresh_from_db()
    assert key.state == "revoked"
    assert len(events(type="key:confirm-removal")) == 1


def test_a_key_whose_status_cerby_tells_is_not_declared_as_removed(browser_of, cast):
    """The sweep would find it active, and delete it."""
    key = a_key(cast.owner, name="Nightly export", created_at=CREATED)
    response = paste(browser_of("admin"), row(status="Revoked"))
    assert "left out" in group(response, "removed-there")[0][4]
    press(browser_of("admin"), response, "removed-there")
    key.refresh_from_db()
    assert key.state == "held"


def test_names_that_occur_twice_are_told_apart_by_date_and_creator(admin, cast):
    old = declared(cast.owner, name="Bot")
    new = declared(cast.owner, name="bot", created_at=CREATED + timedelta(days=9))
    other = declared(cast.admin, name="Bot")
    by_admin = "admin@contenzilla.example"
    response = paste(admin, row("Bot"), row("BOT", "Nov 12, 2026"), row("Bot", by=by_admin))
    assert len(names_in(response, "confirmed")) == 3
    press(admin, response, "confirmed")
    assert ApiKey.objects.filter(seen_by=cast.admin, pk__in=[old.pk, new.pk, other.pk]).count() == 3


def test_an_ambiguous_row_is_settled_by_a_person(admin, cast):
    first, second = (declared(cast.owner, name="Bot") for _ in range(2))
    response = paste(admin, row("Bot"), whole="on")
    assert names_in(response, "ambiguous") == ["Bot"]
    assert names_in(response, "missing-there") == []
    nothing = press(admin, response, "ambiguous")
    assert "Select a key for at least one line" in text(nothing)
    stranger = press(admin, response, "ambiguous", **{"key-2": str(uuid.uuid4())})
    assert stranger.status_code == 422
    press(admin, response, "ambiguous", **{"key-2": str(second.pk)})
    assert list(ApiKey.objects.exclude(seen_at=None)) == [second]
    assert ApiKey.objects.get(pk=first.pk).seen_at is None


def test_a_removed_key_that_cerby_shows_as_active_is_not_adopted_again(admin, cast):
    declared(cast.owner, name="Nightly export", state="revoked", removed_at=timezone.now())
    response = paste(admin, row())
    assert names_in(response, "missing-here") == []
    assert "The inventory says that this key is removed" in group(response, "ambiguous")[0][4]


def test_the_order_of_day_and_month_is_asked_if_nothing_decides_it(admin, key):
    ApiKey.objects.filter(pk=key.pk).update(created_at=datetime(2026, 3, 11, 9, tzinfo=UTC))
    asked = paste(admin, row(created="03/11/2026"))
    assert "Which number is the day?" in words(the(asked, id="asks-order"))
    assert names_in(paste(admin, row(created="03/11/2026"), order="month"), "confirmed") == ["Nightly export"]
    decided = paste(admin, row(created="03/11/2026"), row("Other", "10/31/2026"))
    assert names_in(decided, "confirmed") == ["Nightly export"]


def test_what_is_no_table_is_kept_with_a_sentence(admin):
    response = paste(admin, header="Dear Ada,\nplease look at the keys.\n")
    assert response.status_code == 422
    assert "The portal finds no table" in reason_beside(response, "id_text")
    assert "please look at the keys." in words(the(response, "textarea", id="id_text"))


def test_unreadable_lines_are_reported_one_by_one(admin, key):
    response = paste(admin, row(), row("Odd", status="Snoozed"), row("Bad", created="31/31/2026"))
    said = words(the(response, id="unreadable"))
    assert "Line 4: “Odd" in said
    assert "no status that the portal knows" in said
    assert "Line 6: “Bad" in said
    assert names_in(response, "confirmed") == ["Nightly export"]


def test_the_plain_text_of_a_key_is_neither_shown_nor_stored(admin, key, caplog):
    response = paste(admin, row(), row(SECRET), row("With it", by=f"Ada {SECRET}"))
    assert SECRET not in response.content.decode()
    assert "This may contain an API key" in text(response)
    assert "may be an API key" in words(the(response, id="unreadable"))
    done = press(admin, response, "confirmed")
    assert SECRET not in done.content.decode() + caplog.text
    assert SECRET not in str([said_by(event) for event in events()])


def test_markup_in_names_is_text(admin, cast):
    name = "</textarea><script>alert(1)</script>"
    response = paste(admin, row(name))
    assert "<script>alert" not in response.content.decode()
    press(admin, response, "missing-here", purpose="To test.")
    assert ApiKey.objects.get().name == name


def test_many_rows_are_compared_and_confirmed_at_once(admin, cast, nightly):
    count = 1100 if nightly else 210
    declared(cast.owner, name="Key 0")
    pattern = ApiKey.objects.get()
    kept = [f.attname for f in ApiKey._meta.concrete_fields if not f.generated]
    shared = {name: getattr(pattern, name) for name in kept}
    ApiKey.objects.bulk_create(
        ApiKey(**shared | {"id": uuid.uuid4(), "name": f"Key {n}"}) for n in range(1, count)
    )
    response = paste(admin, *(row(f"Key {n}") for n in range(count)), whole="on")
    assert len(names_in(response, "confirmed")) == count
    press(admin, response, "confirmed")
    assert ApiKey.objects.filter(seen_at=None).count() == 0
    assert len(events(type="key:confirm")) == count


@pytest.mark.parametrize("person", ["user", "login_only", "guest"])
def test_only_people_who_see_the_whole_inventory_compare_it(browser_of, key, person):
    browser = browser_of(person)
    assert browser.get(URL).status_code == 403
    assert paste(browser, row()).status_code == 403
    assert (
        browser.post(CONFIRM, {"text": row(), "group": "confirmed", "shown-confirmed": "x"}).status_code
        == 403
    )
    assert ApiKey.objects.get().seen_at is None


def test_the_sentence_about_keys_that_nobody_confirmed_leads_to_them(admin, cast, settings):
    settings.PORTAL_COMPARE_EVERY_DAYS = 30
    long_ago = timezone.now() - timedelta(days=40)
    seen = {"origin": "declared", "cerby_id": None, "created_at": long_ago, "seen_by": cast.admin}
    a_key(cast.user, name="Never", **seen | {"seen_by": None})
    a_key(cast.user, name="Long ago", seen_at=long_ago, **seen)
    a_key(cast.user, name="Lately", seen_at=timezone.now(), **seen)
    a_key(cast.user, name="New", origin="declared", cerby_id=None)
    line = links(admin.get("/"))
    [address] = {url for words, url in line.items() if words.startswith("2 Not confirmed against")}
    assert sorted(names(admin.get(address))) == ["Long ago", "Never"]
    assert links(admin.get("/keys/"))["Show those to confirm"] == address
