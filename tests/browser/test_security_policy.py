"""Test the Content-Security-Policy of every page, and that injected markup can do nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import steps

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/keys/",
    "/keys/?q=a",
    "/keys/new/",
    "/activity/",
    "/settings/",
    "/roles/",
    "/no/such/page/",
    "/accounts/reauthenticate/",
    "/accounts/password/change/",
    "/accounts/logout/",
)

# Markup that an attacker could inject: htmx attributes without the page's nonce.
INJECT = """(nonce) => {
  const attack = document.createElement("div");
  attack.id = "attack";
  for (const [name, value] of Object.entries({
    "hx-get": "/settings/?attack", "hx-trigger": "load, click", "hx-target": "#main", "hx-on:click": "window.hit = 1",
    ...(nonce ? { "hx-nonce": nonce } : {}),
  })) attack.setAttribute(name, value);
  attack.textContent = "attack";
  document.getElementById("main").prepend(attack);
  htmx.process(attack);
}"""


def _check(response) -> None:
    policy = response.headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if " " in rule.strip())
    assert rules["default-src"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["base-uri"] == "'none'"
    assert "unsafe-" not in policy
    provider = rules.pop("form-action").removeprefix("'self' ")
    assert provider.startswith("http://127.0.0.1:")  # of the demo; the only foreign origin, and only here
    assert "http:" not in " ".join(rules.values())
    assert "*" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_every_page_has_a_strict_policy(open_browser, complaints):
    complaints.expect_status(404, 422)
    page = open_browser("owner")
    for address in PAGES:
        _check(page.goto(address))
    key_id = steps.generate(page, steps.new_name())
    response = page.goto(page.url)
    _check(response)
    assert "trusted-types 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store, private, no-transform"
    for path in ("", "delete/"):
        _check(page.goto(f"/keys/{key_id}/{path}"))
    page.context.clear_cookies()
    for address in ("/accounts/login/", "/accounts/password/reset/"):
        _check(page.goto(address))


def test_injected_htmx_attributes_do_nothing(portal, open_browser, complaints):
    page = open_browser("owner")
    page.goto("/keys/")
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    for nonce in (None, "guessed"):
        page.evaluate(INJECT, nonce)
        page.locator("#attack").click()
        page.locator("#attack").evaluate("(attack) => attack.remove()")
    page.get_by_role("columnheader", name="Name").get_by_role("link").click()  # htmx works on this page
    page.wait_for_url("**?sort=name")
    asked = [url.removeprefix(portal.url) for url in requests]
    assert [address for address in asked if not address.startswith("/static/")] == ["/keys/?sort=name"]
    assert page.evaluate("() => window.hit") is None
    assert all("[hx-csp] blocked <div#attack>" in complaint for complaint in complaints.heard)
    complaints.heard.clear()


def test_injected_markup_with_the_pages_nonce_would_have_asked(open_browser):
    """Known-bad control: with the nonce, which an attacker does not know, the markup sends a request."""
    page = open_browser("owner")
    page.goto("/keys/")
    nonce = page.evaluate("() => document.querySelector('script[nonce]').nonce")
    with page.expect_request("**/settings/?attack"):
        page.evaluate(INJECT, nonce)
    expect(page.get_by_role("heading", name="General")).to_be_visible()


def test_injected_scripts_and_styles_are_stopped(open_browser, complaints):
    page = open_browser("owner")
    page.goto("/")
    with page.expect_console_message(lambda message: "style-src-attr" in message.text):  # said last
        page.evaluate(
            """() => {
              const script = document.createElement("script");
              try { script.textContent = "window.hit = 1"; document.body.append(script); } catch {}
              try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.hit = 1'>"); } catch {}
              document.body.setAttribute("style", "display: none");
            }"""
        )
    assert page.evaluate("() => window.hit") is None
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    stopped = " ".join(complaints.heard)
    for directive in ("require-trusted-types-for", "style-src-attr"):
        assert f"Content-Security-Policy: {directive}" in stopped
    complaints.heard.clear()


def test_a_key_pasted_into_the_search_is_sent_by_post(open_browser):
    page = open_browser("owner")
    addresses = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto("/keys/")
    key = "sbx_Tn4xPq8Zr2Lm6Kd0Vw5Yb3Hc7Jf1Gs9A"
    page.get_by_label("Search", exact=True).fill(f" {key}")
    page.get_by_label("Search", exact=True).press("Enter")
    expect(page.get_by_text("You entered this into a search field")).to_be_visible()
    assert page.url.endswith("/keys/find/")
    page.go_back()
    expect(page.get_by_label("Search", exact=True)).to_have_value("")
    page.get_by_label("Search", exact=True).fill("customer-data-export-production-2")
    page.get_by_label("Search", exact=True).press("Enter")
    page.wait_for_url("**/keys/?q=customer-data-export-production-2**")
    assert not [address for address in addresses if key in address]
