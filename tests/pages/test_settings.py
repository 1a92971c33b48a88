"""Test the page Workspace Configuration, General: the configuration without its secrets."""

from __future__ import annotations

import pytest

from tests.pages.helpers import elements, links, many_keys, queries, text, the, words


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def test_it_has_four_tabs(admin):
    response = admin.get("/settings/")
    assert words(the(response, "h1")) == "Workspace Configuration"
    tabs = the(response, "nav", aria_label="Workspace Configuration")
    assert [words(tab) for tab in tabs.children] == ["General", "API keys", "Roles", "Health"]
    assert links(response)["API keys"] == "/keys/"
    assert links(response)["Roles"] == "/roles/"
    assert links(response)["Health"] == "/settings/health/"
    assert [words(link) for link in elements(response, "a", aria_current="page")] == ["Settings", "General"]


def test_it_shows_the_current_rules(admin, settings):
    settings.PORTAL_MAX_LIFETIME_DAYS = 90
    settings.PORTAL_KEY_MANAGEMENT = "owner-only"
    said = text(admin.get("/settings/"))
    for fact in ("contenzilla", settings.CERBY_BASE_URL, "90 days", "Only the key's owner"):
        assert fact in said


def test_it_shows_no_secret(admin, settings):
    content = admin.get("/settings/").content.decode()
    secrets = [settings.CERBY_TOKEN, settings.CERBY_API_KEY, settings.SECRET_KEY]
    secrets += [pepper.hex() for pepper in settings.PORTAL_PEPPERS.values()]
    assert not [secret for secret in secrets if secret in content]


def test_the_sandbox_is_named_on_every_page(admin, settings):
    settings.PORTAL_IS_SANDBOX = True
    assert "SANDBOX" in admin.get("/settings/").content.decode()
    settings.PORTAL_IS_SANDBOX = False
    assert "SANDBOX" not in admin.get("/settings/").content.decode()


def test_it_asks_the_database_for_session_person_and_inbox_only(admin, cast):
    many_keys(cast.owner, 50, name="Robot")
    assert queries(admin, "/settings/") == 3
