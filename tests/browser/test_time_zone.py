"""Test that times are in the reader's time zone from the second page on."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.browser import sessions

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("zone", "words"), [("Asia/Kolkata", "IST"), ("Pacific/Honolulu", "HST")])
def test_times_are_in_the_readers_zone(portal, open_browser, zone, words):
    page = open_browser(timezone_id=zone)
    sessions.sign_in(page.context, "owner")
    page.goto("/roles/")
    page.goto("/activity/?type=session:start&actor=owner@contenzilla.example")
    [(newest,)] = portal.rows("SELECT max(at) FROM keys_auditevent WHERE type = 'session:start'")
    local = datetime.fromisoformat(newest).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    shown = page.locator("tbody time").first
    assert shown.inner_text() == f"{local.day} {local:%b %Y, %H:%M}"
    assert shown.get_attribute("title") == f"{local.day} {local:%B %Y, %H:%M:%S} {words}"
