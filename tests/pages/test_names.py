"""A name that deceives the eye, or that nobody sees, is shown and can be clicked wherever it is listed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from keys.actions.notifications.deliver import deliver_due
from keys.jobs.mails import send_mail
from keys.jobs.reminders import remind_owners
from keys.rules.lifecycle import State
from tests.cast import a_key, a_selection, with_a_life
from tests.pages.helpers import attribute, elements, links, within, words

SPOOF = "evil\u202egnp"
NAMES = {SPOOF: "evil[U+202E]gnp", "": "No name", "\u200b": "[U+200B]"}


@pytest.fixture
def keys(cast):
    ahead = timezone.now() + timedelta(hours=12)
    made = [
        with_a_life(a_key(cast.admin, name=name, origin="declared", cerby_id=None, expires_at=ahead))
        for name in NAMES
    ]
    a_key(cast.admin, name=SPOOF, state=State.REVOKING, due_at=timezone.now(), attempts=9)
    return made


@pytest.fixture
def addresses(cast, keys):
    selection = a_selection(cast.admin, keys[1])
    lists = (
        "",
        "keys/mine/",
        "keys/",
        "keys/past/",
        "activity/",
        f"people/{cast.admin.pk}/",
        "settings/health/",
    )
    of_key = ("", "edit/", "delete/", "correct/", "withdraw/", "reading/")
    return [
        *(f"/{path}" for path in lists),
        *(f"/keys/{key.pk}/{path}" for key in keys for path in of_key),
        f"/keys/bulk/{selection.pk}/",
        f"/activity/?key={keys[1].pk}",
    ]


def test_every_page_shows_them_and_has_something_to_click(browser_of, addresses, keys):
    admin = browser_of("admin")
    pages = {address: admin.get(address) for address in addresses}
    assert {address: page.status_code for address, page in pages.items() if page.status_code != 200} == {}
    for address, page in pages.items():
        fields = {attribute(field, "value") for field in elements(page, "input")}
        assert SPOOF not in page.content.decode() or SPOOF in fields, address
        for found in (*elements(page, "a"), *elements(page, "button")):
            assert (
                words(found)
                or attribute(found, "aria-label")
                or attribute(found, "aria-labelledby")
                or within(found, "svg")
            ), (address, found)
    for address in ("/keys/", "/keys/mine/", "/keys/past/"):
        assert set(NAMES.values()) <= links(pages[address]).keys(), address
    assert words(elements(pages[f"/keys/{keys[0].pk}/"], "title")[0]).startswith("evil[U+202E]gnp")


def test_downloads_and_mails_show_them(browser_of, keys):
    admin = browser_of("admin")
    for address in ("/keys/export/", "/activity/export/"):
        content = b"".join(admin.get(address).streaming_content).decode()
        assert SPOOF not in content
        assert "evil[U+202E]gnp" in content
    remind_owners()
    deliver_due()
    [sent] = mail.outbox
    assert all(f"“{shown}” expires" in sent.body for shown in NAMES.values())
    assert send_mail(["a@b.example"], f"{SPOOF}\nBcc: x@y.example", SPOOF)
    assert (mail.outbox[1].subject, mail.outbox[1].body) == (
        "evil[U+202E]gnp Bcc: x@y.example",
        "evil[U+202E]gnp",
    )
