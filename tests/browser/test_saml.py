"""Sign in, confirm and sign out with a real SAML provider, which is another site."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import sessions
from tests.support import node_provider
from tests.support.saml_provider import ENTITY_ID, key_pair

pytestmark = pytest.mark.browser

PEOPLE = [{"sub": f"id-of-{who}", "email": f"{who}@contenzilla.example"} for who in ("admin", "owner")]


@pytest.fixture
def provider(by_hand, saml_port, tmp_path):
    """The portal is on localhost and the provider on 127.0.0.1: for a browser, two sites."""
    config = {
        "port": saml_port,
        "key": key_pair().key,
        "certificate": key_pair().certificate,
        "entity_id": ENTITY_ID,
        "consumer_url": f"{by_hand.url}/accounts/saml/acs/",
        "people": PEOPLE,
    }
    with node_provider.running("saml.mjs", config, tmp_path):
        yield


def test_a_person_signs_in_confirms_and_signs_out(by_hand, provider, browsers, complaints):
    with complaints.of(context := browsers.take(base_url=by_hand.url).context):
        page = context.new_page()
        page.goto("/accounts/login/?next=/keys/")
        page.get_by_role("button", name="Sign in with SSO").click()
        page.get_by_role("button", name="admin@").click()
        expect(page).to_have_url(f"{by_hand.url}/keys/")

        sessions.age(by_hand, page, seconds=3600)
        page.goto("/accounts/reauthenticate/?next=/keys/")
        page.get_by_role("button", name="Confirm with SSO").click()
        complaints.expect_status(403)
        page.get_by_role(
            "button", name="owner@"
        ).click()  # the provider knows the person, and asks all the same
        expect(page.get_by_role("alert")).to_contain_text("Somebody else signed in")
        expect(page.locator("main")).to_contain_text("as before in the portal, as admin@contenzilla.example")

        page.get_by_role("button", name="Confirm with SSO").click()
        page.get_by_role("button", name="admin@").click()
        expect(page).to_have_url(re.compile(f"^{by_hand.url}/"))
        asked = "SELECT outcome FROM keys_auditevent WHERE type = 'session:confirm' AND actor_email = ? ORDER BY id"
        assert by_hand.rows(asked, "admin@contenzilla.example") == [("refused",), ("done",)]

        page.goto("/accounts/logout/")
        page.get_by_role("main").get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("main")).to_contain_text("You are still signed in at")
        context.close()
