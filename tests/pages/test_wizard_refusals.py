"""Test the wizard if a key may not or cannot be generated: no key, no lost input, and the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey, Pause, RefusalCount
from keys.rules import formatting
from keys.rules.lifecycle import State
from tests.pages.helpers import HTMX, attribute, elements, events, text, the, words
from tests.pages.journey import DETAILS, GENERATE, NEW, SCOPES, answers
from tests.pages.test_wizard import posts_to_cerby, ticked, value_of

CLOSED_PORT = "http://127.0.0.1:9"


@pytest.fixture
def super_admin(browser_of):
    return browser_of("super_admin")


def refuse_by_role(workspace, settings):
    """Use a token for the portal whose person has a lower role than the owner of the new key."""
    workspace.sandbox.set_person(workspace.ids["owner"], role="workspace_admin")


def refuse_by_token(workspace, settings):
    settings.CERBY_TOKEN = "not-a-token-of-this-workspace"


def unreachable(workspace, settings):
    settings.CERBY_BASE_URL = CLOSED_PORT


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
@pytest.mark.parametrize(
    ("hinder", "status", "said"),
    [
        (refuse_by_role, 502, "status 403"),
        (refuse_by_token, 502, "status 401"),
        (unreachable, 503, "no connection could be made"),
    ],
)
def test_cerby_does_not_make_it(super_admin, workspace, settings, *, hinder, status, said, headers):
    hinder(workspace, settings)
    sent = answers(scopes=["read:users", "write:users"])
    response = super_admin.post(GENERATE, sent, headers=headers)
    assert response.status_code == status
    alert = " ".join(words(found) for found in elements(response, "div", role="alert"))
    assert said in alert
    assert "No key was made" in alert
    for name in ("name", "expiration", "purpose", "time_zone"):
        assert value_of(response, name) == sent[name], name
    assert ticked(response) == sent["scopes"]
    assert value_of(response, "id") != sent["id"], "the id is used up by the request that failed"
    key = ApiKey.objects.get(pk=sent["id"])
    assert key.state == State.REFUSED
    assert said in key.failure
    assert events(key_id=key.pk)[-1].outcome == "failed"


def test_after_a_refusal_the_same_page_can_be_sent_again(super_admin, workspace, settings, sandbox):
    token = settings.CERBY_TOKEN
    refuse_by_token(workspace, settings)
    sent = answers()
    refused = super_admin.post(GENERATE, sent)
    settings.CERBY_TOKEN = token
    again = sent | {"id": value_of(refused, "id")}
    response = super_admin.post(GENERATE, again)
    assert response["Location"] == f"/keys/{again['id']}/store/"
    assert [post["status"] for post in posts_to_cerby(sandbox)] == [401, 201]


def test_a_stale_role_cannot_generate_a_key(browser_of, cast, sandbox, settings):
    settings.CERBY_BASE_URL = CLOSED_PORT
    cast.admin.role_checked_at = timezone.now() - timedelta(hours=25)
    cast.admin.save()
    browser = browser_of("admin")
    for response in (browser.get(NEW), browser.post(SCOPES, answers()), browser.post(GENERATE, answers())):
        assert response.status_code == 403
        assert "Cerby has not confirmed your role for a day" in text(response)
    assert ApiKey.objects.count() == 0


def test_a_role_that_cerby_has_lowered_meanwhile_counts(browser_of, cast, workspace):
    workspace.sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    cast.admin.role_checked_at = timezone.now() - timedelta(minutes=10)
    cast.admin.save()
    response = browser_of("admin").post(GENERATE, answers())
    assert response.status_code == 403
    assert posts_to_cerby(workspace.sandbox) == []
    assert ApiKey.objects.count() == 0


def test_a_person_disabled_in_the_meantime_cannot_generate_a_key(browser_of, cast, workspace):
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    cast.admin.role_checked_at = timezone.now() - timedelta(minutes=10)
    cast.admin.save()
    browser = browser_of("admin")
    assert browser.post(GENERATE, answers()).status_code in {302, 403}
    assert posts_to_cerby(workspace.sandbox) == []
    assert ApiKey.objects.count() == 0
    assert browser.get("/keys/")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("person", ["login_only", "guest"])
def test_other_roles_are_told_who_may(browser_of, person):
    browser = browser_of(person)
    for response in (browser.get(NEW), browser.post(GENERATE, answers())):
        assert response.status_code == 403
        assert "Owner, Super Admin, Admin, User" in text(response)
        assert "owner@contenzilla.example" in text(response)
    assert [event.outcome for event in events(type="attempt:refuse")] == ["refused"]
    assert RefusalCount.objects.get().waiting == 1


@pytest.mark.parametrize("url", [NEW, GENERATE])
def test_it_asks_for_a_fresh_sign_in_and_comes_back(browser_of, url):
    browser = browser_of("admin", seconds_ago=301)
    response = browser.get(url) if url == NEW else browser.post(url, answers())
    if url == NEW:
        assert response["Location"] == "/accounts/reauthenticate/?next=%2Fkeys%2Fnew%2F"
    else:
        assert "Confirm that it is you" in text(response)
        assert attribute(the(response, "input", name="next"), "value") == "/keys/new/"
        assert the(response, "input", name="kept"), "what was entered travels along"
    assert ApiKey.objects.count() == 0


def test_four_minutes_are_fresh(browser_of):
    assert browser_of("admin", seconds_ago=240).get(NEW).status_code == 200


def test_under_htmx_the_whole_page_goes_to_confirm(browser_of):
    response = browser_of("admin", seconds_ago=301).post(GENERATE, answers(), headers=HTMX)
    assert response["HX-Redirect"] == "/accounts/reauthenticate/?next=%2Fkeys%2Fnew%2F"


@pytest.mark.parametrize("url", [DETAILS, SCOPES, GENERATE])
def test_an_expired_session_mid_wizard_comes_back_to_the_wizard(browser_of, url):
    headers = HTMX | {"HX-Current-URL": "http://testserver/keys/new/"}
    response = browser_of("outsider").post(url, answers(), headers=headers)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2Fkeys%2Fnew%2F"
    assert "Location" not in response


def test_an_expired_session_never_leads_to_another_site(browser_of):
    headers = HTMX | {"HX-Current-URL": "https://evil.example/keys/new/"}
    response = browser_of("outsider").post(SCOPES, answers(), headers=headers)
    assert response["HX-Redirect"] == "/accounts/login/?next=%2F"


@pytest.fixture
def paused(super_admin, sandbox) -> str:
    """Start a pause, as after a 429 from Cerby. Return its end as the page shows it."""
    sandbox.faults.set([{"fault": "429", "route": "POST /api/v1/api-keys", "count": 1}])
    assert super_admin.post(GENERATE, answers()).status_code == 502
    return formatting.clock(Pause.active_until())


def test_during_a_pause_the_wizard_shows_its_end_from_the_start(super_admin, sandbox, paused):
    before = posts_to_cerby(sandbox)
    assert f"Cerby asked the portal to wait until {paused}" in text(super_admin.get(NEW))
    assert f"Cerby asked the portal to wait until {paused}" in text(
        super_admin.post(SCOPES, answers(), headers=HTMX)
    )
    sent = answers()
    response = super_admin.post(GENERATE, sent, headers=HTMX)
    assert response.status_code == 429
    alert = " ".join(words(found) for found in elements(response, "div", role="alert"))
    assert f"Cerby asked the portal to wait until {paused}" in alert
    assert value_of(response, "name") == sent["name"]
    assert ticked(response) == sent["scopes"]
    assert posts_to_cerby(sandbox) == before
    assert not ApiKey.objects.filter(pk=sent["id"]).exists()


def test_without_a_pause_the_wizard_mentions_none(super_admin):
    assert "asked the portal to wait" not in text(super_admin.get(NEW))


def test_in_assisted_mode_a_pause_does_not_matter(super_admin, paused, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    assert "asked the portal to wait" not in text(super_admin.get(NEW))
    assert super_admin.post(GENERATE, answers()).status_code == 302
