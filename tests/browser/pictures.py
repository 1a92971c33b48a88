"""Take the screenshots for the README: ``.venv/bin/python -m tests.browser.pictures``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import steps
from tests.browser.browsers import ARGUMENTS, CHROMIUM
from tests.browser.portal_process import ROOT, Portal

INVENTORY = ROOT / "docs" / "images" / "inventory.png"


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Portal(Path(folder) / "data") as portal,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(
            base_url=portal.url, viewport={"width": 1360, "height": 850}, color_scheme="light"
        )
        page.goto("/keys/")
        steps.fill_in_sign_in(page, "owner")
        page.wait_for_url("**/keys/")
        INVENTORY.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=INVENTORY)
        browser.close()


if __name__ == "__main__":
    main()
