"""Every response has the security headers, static files and errors too, and every cookie has its attributes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from django.test import Client
from django.urls import reverse

from keys.views.people import ip_of
from tests.cast import PASSWORD, email_of
from tests.house.project import ROOT

PAGES = ("/accounts/login/", "/no/such/page/", "/livez", "/readyz")
STATIC = ("/static/portal.js", "/static/base.css", "/static/icons.svg", "/static/vendor/htmx.min.js")

NAMES_UNDER_HTTPS = """
import json
from portal import settings
import django; django.setup()
from keys.views.known_browser import cookie_name
from portal.sessions import MessageCookie
print(json.dumps([settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.TIME_ZONE_COOKIE_NAME,
    cookie_name(), MessageCookie.cookie_name]))
"""


@pytest.fixture
def client(settings, db) -> Client:
    settings.STATIC_ROOT = str(ROOT / "static")
    return Client()  # its handler loads the middleware with these settings


def fetch(client, path, **extra):
    response = client.get(path, **extra)
    response.getvalue()  # reads a file to its end, which closes it
    return response


@pytest.mark.parametrize("path", PAGES + STATIC)
def test_every_response_has_the_headers(client, path):
    response = fetch(client, path)
    assert response.status_code in {200, 404, 503}
    policy = response["Content-Security-Policy"]
    for rule in ("default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in response
    assert "Server" not in response


@pytest.mark.parametrize("path", STATIC)
def test_text_names_its_encoding(client, path):
    assert re.search(r"; charset=\"?utf-8\"?$", fetch(client, path)["Content-Type"])


def test_no_page_of_a_person_is_kept_by_the_browser_and_each_has_sign_out(browser_of):
    browser = browser_of("owner")
    for path in ("/", "/keys/", "/keys/new/", "/activity/", "/roles/", "/settings/", "/settings/health/"):
        response = browser.get(path)
        assert "no-store" in response["Cache-Control"], path
        assert reverse("account_logout") in response.content.decode(), path


def test_http_leads_to_https(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/roles/")["Location"] == "https://testserver/roles/"


def test_the_address_is_the_one_that_the_proxies_saw(rf, settings):
    chain = {"HTTP_X_FORWARDED_FOR": "6.6.6.6, 203.0.113.9, 10.0.0.1", "REMOTE_ADDR": "10.0.0.2"}
    found = []
    for proxies in (0, 1, 2):
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
        found.append(ip_of(rf.get("/", **chain)))
    assert found == ["10.0.0.2", "10.0.0.1", "203.0.113.9"]


def test_trace_is_refused_everywhere(client, browser_of):
    for path in PAGES:
        assert client.trace(path).status_code in {404, 405}
    assert browser_of("owner").trace("/keys/").status_code == 405


def test_over_https_every_page_asks_for_https_in_future(client, settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    for path in PAGES + STATIC:
        value = fetch(Client(), path, secure=True)["Strict-Transport-Security"]
        assert value == "max-age=31536000; includeSubDomains; preload"


def test_the_cookies_of_a_working_day_are_listed_and_out_of_reach_of_scripts(cast, sandbox, settings):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    browser = Client()
    found: dict = {}
    for path in ("/accounts/login/", "/roles/"):
        browser.get(path, secure=True)
        found |= browser.cookies
    browser.post(
        "/accounts/login/", {"login": email_of("admin"), "password": PASSWORD}, secure=True, follow=True
    )
    found |= browser.cookies
    browser.post("/roles/refresh/", secure=True)  # leaves a message
    found |= browser.cookies
    assert set(found) == {"portal", "portal-csrf", "portal-browser", "portal-messages"}
    for name, cookie in found.items():
        assert (cookie["httponly"], cookie["secure"]) == (True, True), name
        assert cookie["samesite"] in {"Lax", "Strict"}, name
        assert (cookie["path"], cookie["domain"]) == ("/", ""), name


def test_over_https_every_cookie_belongs_to_this_host_alone():
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_ENV": "demo",
        "PORTAL_URL": "https://keys.example.com",
        "PORTAL_SECRET_KEY": "for-tests-only-" * 4,
        "PORTAL_PEPPERS": '{"p1": "' + "1b" * 32 + '"}',
        "PORTAL_AUDIT_SIGNING_KEY": "5a" * 32,
    }
    done = subprocess.run(
        [sys.executable, "-c", NAMES_UNDER_HTTPS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    names = json.loads(done.stdout)
    assert len(set(names)) == 5
    assert [name for name in names if not name.startswith("__Host-")] == []
    script = (ROOT / "static" / "portal.js").read_text()
    assert set(re.findall(r'"(__Host-[\w-]+)"', script)) <= set(names)
