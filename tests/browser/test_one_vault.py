"""Test a new workspace on PostgreSQL: no keys, and a single vault that is used without selection."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from tests.browser import steps
from tests.browser.portal_process import Portal
from tests.browser.test_accessibility import look_over

pytestmark = pytest.mark.browser

REFERRING = (
    "keys_certificate", "keys_reviewitem",
    "keys_inboxitem", "keys_delivery", "keys_notification", "keys_leaverplan", "keys_reminder", "keys_heldback",
    "keys_keyscope", "keys_finding", "keys_rotationtask", "keys_keyfacts", "keys_policyexception",
)  # fmt: skip
"""The tables with rows about the demo's keys."""


@pytest.fixture
def new_portal(tmp_path, postgresql, migrated_postgresql):
    """Start a portal that stores everything in PostgreSQL."""
    postgresql.create("browser", template=migrated_postgresql)
    with Portal(tmp_path / "data", vaults=1, DATABASE_URL=postgresql.url("browser")) as portal:
        assert not (portal.data / "portal.sqlite3").exists()
        _let_the_jobs_rest(portal)  # otherwise the sweep would find the demo's keys again
        for table in (*REFERRING, "keys_apikey"):
            portal.change(f"DELETE FROM {table}")
        yield portal


def _let_the_jobs_rest(portal: Portal) -> None:
    """Wait until each job has run once. The next sweep is due in 15 minutes."""
    deadline = time.monotonic() + 120
    while not _each_job_has_run(portal):
        assert time.monotonic() < deadline, "the jobs did not run"
        time.sleep(0.2)


def _each_job_has_run(portal: Portal) -> bool:
    """Wait for the worker to create the job rows, which may be later than the first page."""
    [(jobs, finished)] = portal.rows("SELECT count(*), count(finished_at) FROM keys_periodicjob")
    return jobs > 0 and jobs == finished


def test_the_first_key_of_a_workspace_with_one_vault(new_portal, open_browser):
    page = open_browser(once=True, base_url=new_portal.url)
    page.goto("/keys/")
    steps.fill_in_sign_in(page, "owner")
    expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    look_over(page)
    page.get_by_role("link", name="Generate API key").last.click()
    steps.wait_for_step_1(page)
    name = steps.new_name("First")
    steps.generate(page, name)
    page.get_by_role("button", name="Save in Cerby").click()
    dialog = page.get_by_role("dialog", name="Save your API key in Cerby?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Select vault")).to_have_count(0)
    dialog.get_by_role("button", name="Save in Cerby").click()
    page.wait_for_url("**/keys/")
    expect(steps.message(page, "saved in Cerby, in the vault “Shared credentials”")).to_be_visible()
    assert page.locator("tbody th").all_inner_texts() == [name]
