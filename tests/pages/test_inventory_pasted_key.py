"""Test that an API key pasted into a search field, on any page, is neither searched for nor kept."""

from __future__ import annotations

import pytest

from keys.rules.key_text import may_contain_a_key
from tests.cast import a_key
from tests.pages.helpers import HTMX, attribute, events, names, text, the
from tests.support.cases import in_one_test

KEY = "sbx_Tn4xPq8Zr2Lm6Kd0Vw5Yb3Hc7Jf1Gs9A"


@pytest.mark.parametrize(
    "address",
    [
        *(f"/keys/?{query}={KEY}" for query in ("q", "q=find+it&q", "owner", "sort=name&q", "columns")),
        *(f"/keys/past/?{name}={KEY}" for name in ("q", "owner", "at")),
        *(f"/people/?{name}={KEY}" for name in ("q", "role")),
        *(f"/activity/?{name}={KEY}" for name in ("actor", "owner", "key_name", "ip")),
        *(f"/{path}/?q={KEY}" for path in ("keys/mine", "keys/compare", "keys/import", "keys/register")),
        *(f"/{path}/export/?{name}={KEY}" for path, name in (("keys", "q"), ("activity", "actor"))),
        f"/people/add/?email={KEY}",
        f"/?anything={KEY}",
        f"/keys/?back={KEY}",
        f"/accounts/reauthenticate/?next={KEY}",
    ],
)
def test_it_leads_to_is_this_ours_and_leaves_no_trace(browser_of, caplog, address):
    """A download would have the key in its file."""
    admin = browser_of("admin")
    response = admin.get(address, follow=True)
    assert response.redirect_chain == [("/keys/find/", 302)]
    assert "looks like an API key" in text(response)
    assert KEY not in response.content.decode() + caplog.text
    assert KEY not in str([(event.type, event.details, event.personal) for event in events()])
    assert not events(type="inventory:search")


def test_a_part_of_the_page_leads_there_too(browser_of):
    response = browser_of("admin").get(f"/keys/?q={KEY}", headers=HTMX)
    assert response["HX-Redirect"] == "/keys/find/"


def test_an_owner_who_may_not_search_is_told_why(browser_of, cast):
    a_key(cast.guest, name="My own")
    response = browser_of("guest").get(f"/keys/?q={KEY}", follow=True)
    assert response.redirect_chain == [("/keys/", 302)]
    assert "tell an admin" in text(response)
    assert names(response) == ["My own"]


def test_the_sign_in_page_does_not_get_it(browser_of):
    response = browser_of("outsider").get(f"/people/?q={KEY}", follow=True)
    assert KEY not in str(response.redirect_chain) + response.content.decode()
    assert response.redirect_chain[-1][0].endswith("?next=/people/")


@pytest.mark.parametrize("page", ["/keys/", "/keys/past/", "/people/", "/activity/"])
def test_the_page_sends_it_by_post_which_says_so(browser_of, page):
    """``static/pasted-key.js`` does; the browser tests try it."""
    admin = browser_of("admin")
    form = the(admin.get(page), id="search-instead")
    response = admin.post(str(attribute(form, "action")), {"text": KEY, "searched": "1"})
    assert "You entered this into a search field" in text(response)
    assert KEY not in response.content.decode()


@in_one_test(
    "said",
    [
        "customer-data-export-production-2",
        "BigQueryConnectorProduction",
        "0f5c1d3e-9a8b-4c7d-8e6f-a1b2c3d4e5f6",
        "0f5c1d3e-9a8b-4c7d-8e6f",
        "somebody.with.a.long.name@subsidiary-international.example",
        "read:items:accounts write:items:accounts",
    ],
)
def test_long_names_ids_and_emails_are_searched_for(browser_of, said):
    assert not may_contain_a_key(said)
    assert browser_of("admin").get("/keys/", {"q": said}).status_code == 200
