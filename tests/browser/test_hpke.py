"""Test the cryptography of the one-time reveal: Chromium opens keys that the server seals."""

from __future__ import annotations

import base64
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import pytest

from keys.crypto import seal

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).parent / "hpke_page"
VECTOR = json.loads((ROOT / "tests/domain/crypto/vectors/hpke_p256_sha256_aes256gcm.json").read_text())
SECRET = "sbx_live_4f9a1c77e2b04d7f8c1d2e3f4a5b6c7d"
KEY_ID = UUID("0190b0d2-6f3e-7c1a-9d55-3b1f6a7c8e90")
PLACE = {"workspace": "contenzilla", "keyId": str(KEY_ID), "userId": "7"}

OPEN = """async ([id, place, sealed]) => {
  const { base64url, hpke, revealInfo, tabKey } = window.modules;
  const pair = await tabKey.load(id);
  const thumbprint = await revealInfo.thumbprint(pair.publicRaw);
  const info = revealInfo.revealInfo({ ...place, thumbprint });
  try {
    const opened = await hpke.open(base64url.decode(sealed), pair.privateKey, pair.publicRaw, info);
    return { opened: new TextDecoder().decode(opened) };
  } catch (error) {
    return { refused: error.name };
  }
}"""


class Handler(SimpleHTTPRequestHandler):
    """Serve /static/ from the product and other paths from the test page's folder, without logging."""

    def translate_path(self, path: str) -> str:
        self.directory = str(ROOT if path.startswith("/static/") else PAGE)
        return super().translate_path(path)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _visit(chromium, address):
    context = chromium.new_context()  # a new browser, which has stored nothing yet
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="module")
def page(chromium, address):
    yield from _visit(chromium, address)


@pytest.fixture
def fresh_page(chromium, address):
    """Return a page in a new browser, for tests that change the page or count its stored items."""
    yield from _visit(chromium, address)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _seal_to_tab(page, secret: str = SECRET) -> bytes:
    text = page.evaluate("async (id) => (await modules.tabKey.create(id)).publicKeyText", str(KEY_ID))
    tab_key = seal.parse_tab_key(text)
    info = seal.reveal_info(
        workspace="contenzilla", key_id=KEY_ID, user_id=7, thumbprint=seal.thumbprint(tab_key)
    )
    return seal.seal(secret, tab_key=tab_key, info=info)


def _open(page, sealed: bytes, place: dict[str, str] = PLACE) -> dict[str, str]:
    return page.evaluate(OPEN, [str(KEY_ID), place, _text(sealed)])


@pytest.mark.parametrize("secret", ["", SECRET, "x" * 5000], ids=["empty", "a key", "long"])
def test_the_tab_opens_what_the_server_sealed_to_it(page, secret):
    assert _open(page, _seal_to_tab(page, secret)) == {"opened": secret}


@pytest.mark.parametrize(
    "change",
    [
        {"workspace": "other"},
        {"keyId": "0190b0d2-6f3e-7c1a-9d55-3b1f6a7c8e91"},
        {"userId": "8"},
    ],
    ids=["workspace", "key", "user"],
)
def test_the_tab_refuses_a_key_that_belongs_elsewhere(page, change):
    assert _open(page, _seal_to_tab(page), PLACE | change) == {"refused": "OperationError"}


@pytest.mark.parametrize("place", [65, -17, -1], ids=["first of ciphertext", "last of ciphertext", "tag"])
def test_the_tab_refuses_a_changed_ciphertext(page, place):
    sealed = bytearray(_seal_to_tab(page))
    sealed[place] ^= 1
    assert _open(page, bytes(sealed)) == {"refused": "OperationError"}


def test_the_tab_refuses_an_encapsulated_key_off_the_curve(page):
    sealed = bytearray(_seal_to_tab(page))
    sealed[64] ^= 1
    assert _open(page, bytes(sealed)) == {"refused": "DataError"}


@pytest.mark.parametrize("length", [0, 64, 65, 80])
def test_the_tab_refuses_truncated_messages(page, length):
    assert "refused" in _open(page, _seal_to_tab(page)[:length])


def test_the_tab_refuses_messages_sealed_to_another_browser(page, fresh_page):
    sealed = _seal_to_tab(fresh_page)
    _seal_to_tab(page)
    assert _open(page, sealed) == {"refused": "OperationError"}
    assert _open(fresh_page, sealed) == {"opened": SECRET}


def test_the_browser_opens_the_rfcs_vector(page):
    point = bytes.fromhex(VECTOR["pkRm"])
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": _text(point[1:33]),
        "y": _text(point[33:]),
        "d": _text(bytes.fromhex(VECTOR["skRm"])),
    }
    parts = {name: list(bytes.fromhex(VECTOR[name])) for name in ("enc", "ct", "pkRm", "info", "aad")}
    opened = page.evaluate(
        """async ([jwk, parts]) => {
          const bytes = Object.fromEntries(Object.entries(parts).map(([k, v]) => [k, new Uint8Array(v)]));
          const algorithm = { name: "ECDH", namedCurve: "P-256" };
          const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["deriveBits"]);
          const sealed = modules.hpke.concat(bytes.enc, bytes.ct);
          return [...(await modules.hpke.open(sealed, key, bytes.pkRm, bytes.info, bytes.aad))];
        }""",
        [jwk, parts],
    )
    assert bytes(opened) == bytes.fromhex(VECTOR["pt"])


@pytest.mark.parametrize("workspace", ["contenzilla", "", "büro-東京-🔑", "a\nb\x00\u2028"])
def test_both_sides_make_the_same_info(page, workspace):
    text = page.evaluate(
        "(place) => modules.base64url.encode(modules.revealInfo.revealInfo(place))",
        {"workspace": workspace, "keyId": str(KEY_ID), "userId": "7", "thumbprint": "abc"},
    )
    assert _bytes(text) == seal.reveal_info(workspace=workspace, key_id=KEY_ID, user_id=7, thumbprint="abc")


def test_both_sides_make_the_same_thumbprint(page):
    text, thumbprint = page.evaluate(
        """async (id) => {
          const pair = await modules.tabKey.create(id);
          return [pair.publicKeyText, await modules.revealInfo.thumbprint(pair.publicRaw)];
        }""",
        str(KEY_ID),
    )
    assert thumbprint == seal.thumbprint(seal.parse_tab_key(text))


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xfb\xff", bytes(range(256))], ids=["0", "1", "2", "256"])
def test_base64url_is_the_servers(page, data):
    assert page.evaluate("(data) => modules.base64url.encode(new Uint8Array(data))", list(data)) == _text(
        data
    )
    assert page.evaluate("(text) => [...modules.base64url.decode(text)]", _text(data)) == list(data)


def test_the_tab_key_survives_a_reload(page):
    sealed = _seal_to_tab(page)
    page.reload()
    assert _open(page, sealed) == {"opened": SECRET}


def test_asking_again_gives_the_same_tab_key(page):
    texts = page.evaluate(
        """async (id) => {
          const pairs = await Promise.all([1, 2, 3].map(() => modules.tabKey.create(id)));
          return pairs.map((pair) => pair.publicKeyText);
        }""",
        str(KEY_ID),
    )
    assert len(set(texts)) == 1


@pytest.mark.parametrize("form", ["pkcs8", "jwk", "raw"])
def test_the_private_key_cannot_be_exported(page, form):
    _seal_to_tab(page)
    refused = page.evaluate(
        """async ([id, form]) => {
          const { privateKey } = await modules.tabKey.load(id);
          return crypto.subtle.exportKey(form, privateKey).then(() => null, (error) => error.name);
        }""",
        [str(KEY_ID), form],
    )
    assert refused == "InvalidAccessError"


def test_a_forgotten_tab_key_is_gone(fresh_page):
    _seal_to_tab(fresh_page)
    fresh_page.evaluate("(id) => modules.tabKey.forget(id)", str(KEY_ID))
    assert fresh_page.evaluate("(id) => modules.tabKey.load(id)", str(KEY_ID)) is None


def test_a_tab_key_older_than_a_day_is_dropped_when_the_next_is_made(fresh_page):
    fresh_page.clock.install()
    _seal_to_tab(fresh_page)
    fresh_page.clock.fast_forward("23:59:00")
    fresh_page.evaluate("() => modules.tabKey.create('the next')")
    assert fresh_page.evaluate("(id) => modules.tabKey.load(id)", str(KEY_ID)) is not None
    fresh_page.clock.fast_forward("00:02:00")
    fresh_page.evaluate("() => modules.tabKey.create('the next')")
    assert fresh_page.evaluate("(id) => modules.tabKey.load(id)", str(KEY_ID)) is None


def test_a_good_browser_is_supported_and_left_as_it_was(fresh_page):
    assert fresh_page.evaluate("() => modules.tabKey.supported()") == ""
    left = fresh_page.evaluate(
        """() => new Promise((resolve) => {
          const request = indexedDB.open("cerby-key-portal");
          request.onsuccess = () => {
            const store = request.result.transaction("tab-keys").objectStore("tab-keys");
            store.count().onsuccess = (event) => resolve(event.target.result);
          };
        })"""
    )
    assert left == 0


def test_a_browser_that_cannot_store_is_told_so_in_words(fresh_page):
    fresh_page.evaluate("() => Object.defineProperty(window, 'indexedDB', { value: undefined })")
    assert "cannot store the key pair" in fresh_page.evaluate("() => modules.tabKey.supported()")


def test_a_page_without_a_secure_connection_is_told_so_in_words(chromium, address):
    context = chromium.new_context()
    page = context.new_page()
    # The same page under another host name is not a secure context.
    page.route("http://portal.example/**", lambda route: _serve_from(route, address))
    page.goto("http://portal.example/")
    assert "https://" in page.evaluate("() => modules.tabKey.supported()")
    context.close()


def _serve_from(route, address: str) -> None:
    path = route.request.url.removeprefix("http://portal.example/")
    route.fulfill(response=route.fetch(url=address + path))
