"""Rotate a key from proof to proof, and retire the old one with one button."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.portal_process import Portal
from tests.browser.test_accessibility import look_over
from tests.browser.test_whole_job import _ask_cerby
from tests.support import own_database

pytestmark = pytest.mark.browser

PATIENCE = 60
AGES = timedelta(hours=26)


def sweep_until(portal: Portal, page: Page, words: str) -> None:
    """Let the worker sweep, and reload the page until it has these words."""
    portal.change("UPDATE keys_periodicjob SET due_at = ? WHERE name = 'sweep'", "2020-01-01 00:00:00")
    end = time.monotonic() + PATIENCE
    while words not in page.get_by_role("main").inner_text():
        assert time.monotonic() < end, words
        time.sleep(0.3)
        page.reload()


def let_a_day_pass(portal: Portal, *key_ids: str) -> None:
    """Move the uses of the keys back in Cerby, and the time from which the new one is in use here. Nobody uses the keys meanwhile."""
    then = datetime.now(tz=UTC) - AGES
    for key_id in key_ids:
        own_database.write(
            portal.data / "sandbox" / "sandbox.sqlite3",
            "UPDATE api_keys SET last_used_at = ? WHERE external_id = ?",
            then.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            key_id,
            patience=20,
        )
    portal.change(
        "UPDATE keys_rotation SET used_at = ? WHERE new_id = ?",
        then.strftime("%Y-%m-%d %H:%M:%S.%f"),
        key_ids[-1].replace("-", ""),
    )


def test_from_the_old_key_to_the_new_one(portal, open_browser):
    page, name = open_browser("admin"), steps.new_name("To rotate")
    old_id = steps.generate(page, name)
    old = steps.show(page)
    steps.tick_and_finish(page)
    page.goto(f"/keys/{old_id}/")
    page.get_by_role("link", name="Rotate").click()
    expect(page.get_by_label("API key name")).to_have_value(f"{name} · r2")
    look_over(page)
    page.get_by_role("button", name="Generate the new key").click()
    new_id = steps.wait_for_store_page(page)
    page.goto(f"/keys/{old_id}/")
    main = page.get_by_role("main")
    expect(main).to_contain_text("The new key is stored: not proved")
    page.goto(f"/keys/{new_id}/store/")
    new = steps.show(page)
    steps.tick_and_finish(page, then="**/rotations/*/")

    expect(main).to_contain_text("The new key is stored: proved")
    expect(page.get_by_label("Retire it although it may still be needed")).to_be_visible()
    look_over(page)
    assert [_ask_cerby(portal, key) for key in (old, new)] == [200, 200]
    sweep_until(portal, page, "New key in use")
    expect(main).to_contain_text("The new key is used: proved")
    expect(main).to_contain_text("The old key is quiet: not proved")
    let_a_day_pass(portal, old_id, new_id)
    sweep_until(portal, page, "The old key is quiet: proved")

    page.get_by_role("button", name="Retire", exact=True).click()
    expect(steps.message(page, "is removed. Cerby has confirmed that it no longer works.")).to_be_visible()
    assert [_ask_cerby(portal, key) for key in (old, new)] == [401, 200]
    expect(main).to_contain_text("proof: the new key was used, and the old one was quiet")
