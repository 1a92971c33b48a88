"""Ask to delete 12 stale keys from the inventory in five clicks, and select by keyboard and without JavaScript."""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.portal_process import Portal
from tests.support import own_database

pytestmark = pytest.mark.browser

STALE = 12


def add_stale_keys(portal: Portal) -> None:
    """Create unused keys in the sandbox, and let a sweep find them."""
    now = datetime.now(tz=UTC)
    used = (now - timedelta(days=200)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    table = portal.data / "sandbox" / "sandbox.sqlite3"
    for number in range(STALE):
        columns = {
            "id": str(uuid.uuid4()),
            "name": f"Stale {number:02}",
            "external_id": None,
            "sha256": uuid.uuid4().hex * 2,
        }
        copy_row(portal, table, columns | {"created_at": used, "last_used_at": used})
    portal.change("UPDATE keys_periodicjob SET due_at = ? WHERE name = 'sweep'", "2020-01-01 00:00:00")
    end = time.monotonic() + 60
    while portal.rows("SELECT count(*) FROM keys_apikey WHERE name LIKE 'Stale %'") != [(STALE,)]:
        assert time.monotonic() < end, "no sweep has found the keys"
        time.sleep(0.2)


def copy_row(portal: Portal, table: Path, columns: dict[str, str | None]) -> None:
    """Copy a live key of the sandbox with other values in ``columns``."""
    latest = "SELECT id FROM api_keys WHERE removed_at IS NULL ORDER BY expires_at DESC LIMIT 1"
    [(model,)] = portal.sandbox_rows(latest)
    names = [name for _, name, *_ in portal.sandbox_rows("PRAGMA table_info(api_keys)")]
    copied = ", ".join("?" if name in columns else name for name in names)
    given = [columns[name] for name in names if name in columns]
    sql = f"INSERT INTO api_keys ({', '.join(names)}) SELECT {copied} FROM api_keys WHERE id = ?"
    own_database.write(table, sql, *given, model, patience=20)


def test_twelve_stale_keys_are_deleted_in_five_clicks(portal, open_browser):
    add_stale_keys(portal)
    page: Page = open_browser("owner")
    clicks: list[Locator] = []

    def click(control: Locator) -> None:
        clicks.append(control)
        control.click()

    page.goto("/keys/")
    click(page.get_by_role("group", name="Needs attention").get_by_role("button"))
    click(page.get_by_label("Unused for 90 days"))
    page.locator("#id_q").fill("Stale")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(STALE)
    click(page.get_by_label("Select all keys on this page"))
    expect(page.locator("#bulk [role=status]")).to_have_text("12 keys selected")
    click(page.get_by_role("button", name="Delete…"))
    expect(page.get_by_label("Type 12 to delete 12 keys")).to_be_focused()
    page.keyboard.type("12")
    page.keyboard.press("Tab")
    page.keyboard.type("Nobody uses them.")
    click(page.get_by_role("button", name="Ask to delete 12 keys"))
    expect(page.get_by_role("heading", name="Delete 12 API keys")).to_be_visible()
    second = open_browser("admin")
    second.goto("/inbox/")
    second.get_by_role("link", name="delete 12 API keys").first.click()
    second.get_by_role("button", name="Approve").click()
    expect(second.get_by_role("main")).to_contain_text("The keys are being deleted.")
    page.reload()
    page.get_by_role("link", name="Follow the deletion").click()
    expect(page.get_by_role("heading", name="Delete: finished")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("12 of 12 keys processed. Done: 12.")).to_be_visible()
    assert len(clicks) == 5
    page.get_by_role("link", name="Back to the keys").click()
    assert "needs=unused-90" in page.url
    assert "q=Stale" in page.url
    states = portal.rows("SELECT DISTINCT state FROM keys_apikey WHERE name LIKE 'Stale %'")
    assert states == [("revoked",)]


def test_keys_are_selected_by_keyboard(open_browser):
    page: Page = open_browser("owner")
    page.goto("/keys/")
    page.get_by_label("Select all keys on this page").focus()
    page.keyboard.press("Space")
    expect(page.locator("#bulk [role=status]")).to_have_text("50 keys selected")
    expect(page.get_by_role("button", name="that match")).to_have_text(
        re.compile(r"Select all \d+ that match")
    )
    page.locator("tbody input[name=key]").first.focus()
    page.keyboard.press("Space")
    expect(page.locator("#bulk [role=status]")).to_have_text("49 keys selected")
    assert page.get_by_label("Select all keys on this page").evaluate("(box) => box.indeterminate")


def test_it_works_without_javascript(open_browser):
    page: Page = open_browser("owner", java_script_enabled=False)
    page.goto("/keys/?sort=name")
    boxes = page.locator("tbody input[name=key]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Remind the owners…").click()
    expect(page.get_by_role("heading", name="2 selected keys")).to_be_visible()
    page.get_by_role("button", name="Remind the owners of 2 keys").click()
    expect(page.get_by_role("heading", name="Remind: finished")).to_be_visible(timeout=60_000)
