"""Test that the key leaves no trace in files, pages, downloads, browser storage or URLs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps

pytestmark = pytest.mark.browser

# Everything that a script of the portal's origin can read, with bytes as Latin-1 text.
STORED = """async () => {
  const latin1 = (bytes) => String.fromCharCode(...bytes);
  const readable = (_, value) => (value instanceof Uint8Array ? latin1(value) : value);
  const asked = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const found = [{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) found.push(request.url, await (await cache.match(request)).text());
  }
  for (const { name } of await indexedDB.databases()) {
    const database = await asked(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const objects = database.transaction(store).objectStore(store);
      found.push(await asked(objects.getAllKeys()), await asked(objects.getAll()));
    }
    database.close();
  }
  return JSON.stringify(found, readable);
}"""

PRIVATE_KEY = """(id) => new Promise((resolve) => {
  const request = indexedDB.open("cerby-key-portal");
  request.onsuccess = () => {
    const get = request.result.transaction("tab-keys").objectStore("tab-keys").get(id);
    get.onsuccess = async () => {
      const { privateKey } = get.result;
      const outcomes = [];
      for (const form of ["pkcs8", "jwk", "raw"]) {
        outcomes.push(await crypto.subtle.exportKey(form, privateKey).then(() => "exported", (error) => error.name));
      }
      request.result.close();
      resolve([privateKey.type, privateKey.extractable, outcomes]);
    };
  };
})"""


def files_with(folder: Path, text: str) -> set[str]:
    needles = [text.encode(), text.encode("utf-16-le"), base64.b64encode(text.encode())[:-4]]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name for path in files if any(needle in path.read_bytes() for needle in needles)}


def everything_stored(page: Page) -> str:
    return page.evaluate(STORED) + json.dumps([page.context.cookies(), page.context.storage_state()])


def _download(page: Page, address: str) -> str:
    page.goto(address)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    return Path(download.value.path()).read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("way", [pytest.param("save in Cerby", marks=pytest.mark.nightly), "copy and tick"])
def test_the_key_is_nowhere_afterwards(portal, open_browser, way):
    page = open_browser("owner", permissions=["clipboard-read", "clipboard-write"])
    requests = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108  Playwright marks handlers
    name = steps.new_name("Canary")

    key_id = steps.generate(page, name)
    assert page.evaluate(PRIVATE_KEY, key_id) == ["private", False, ["InvalidAccessError"] * 3]
    assert key_id in everything_stored(page)  # known-bad control: a key would be found here
    with page.expect_response("**/claim/") as claim:
        key = steps.show(page)
    assert key not in claim.value.text()
    assert key not in everything_stored(page)
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    if way == "save in Cerby":
        steps.save_in_cerby(page)
    else:
        steps.tick_and_finish(page)

    downloads = _download(page, "/keys/") + _download(page, "/activity/")
    assert name in downloads
    assert key not in downloads
    addresses = (
        "/",
        "/keys/",
        "/activity/",
        "/settings/",
        f"/keys/{key_id}/",
        f"/keys/{key_id}/store/",
        "/keys/new/",
    )
    for address in addresses:
        assert key not in page.goto(address).text()
        assert key not in page.content()
        assert key not in everything_stored(page)
    carriers = [
        request for request in requests if key in f"{request.url} {request.headers} {request.post_data}"
    ]
    assert [request.url.split("/")[-2] for request in carriers] == ["save"] * (way == "save in Cerby")
    assert all(key not in request.url for request in requests)

    assert {"portal.sqlite3", "portal.sqlite3-wal", "sandbox.sqlite3-wal"} & files_with(portal.data, name)
    assert {path.name for path in (portal.data / "log").iterdir()} >= {"portal.log", "sandbox.log"}
    assert files_with(portal.data, key) == set()
