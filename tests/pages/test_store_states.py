"""Test the page Store your API key in every state, and the button Done."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey, RevealGrant
from keys.rules.lifecycle import ENDED, State
from tests.cast import a_key
from tests.pages.helpers import elements, events, links, messages_of, names, text, the, words
from tests.pages.journey import claim, generate, save, viewed
from tests.support.cases import in_one_test

NOW = timezone.now()


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def done(browser, key):
    return browser.post(f"/keys/{key.pk}/store/done/")


def test_done_leads_back_to_the_table_with_the_new_key_first_and_active(admin, cast):
    a_key(cast.owner, name="Older")
    key, _ = viewed(admin, name="Newest")
    response = done(admin, key)
    assert response["Location"] == "/keys/"
    table = admin.get("/keys/")
    assert names(table) == ["Newest", "Older"]
    assert "you have confirmed that it is stored" in messages_of(table)
    key.refresh_from_db()
    assert key.state == State.HELD
    assert key.stored_at is not None
    assert [event.details for event in events(type="key:store")] == [{"how": "confirmed by its owner"}]


def test_done_without_having_seen_it_is_refused(admin):
    key = generate(admin)
    response = done(admin, key)
    assert response.status_code == 409
    assert "has not been viewed" in text(response)
    key.refresh_from_db()
    assert key.state == State.READY


def test_done_twice_is_done_once(admin):
    key, _ = viewed(admin)
    assert [done(admin, key).status_code for _ in range(2)] == [302, 302]
    assert len(events(type="key:store")) == 1


@pytest.mark.parametrize("other", ["owner", "super_admin"])
def test_only_the_owner_may_confirm_storage(admin, browser_of, other):
    key, secret = viewed(admin)
    assert done(browser_of(other), key).status_code == 403
    assert save(browser_of(other), key, secret).status_code == 403
    key.refresh_from_db()
    assert key.state == State.CLAIMED


def test_after_the_view_it_shows_the_time_and_browser(admin):
    key, _ = viewed(admin)
    response = admin.get(f"/keys/{key.pk}/store/")
    assert "This key has been viewed" in text(response)
    assert "Chrome on Linux" in text(response)
    assert "127.0.0.1" in text(response)
    assert "It cannot be viewed again" in text(response)
    assert links(response)["Delete this key"] == f"/keys/{key.pk}/delete/"
    assert "Show" not in [words(button) for button in elements(response, "button")]
    assert "I have stored the key in a safe place" in text(response)


def test_once_stored_there_is_nothing_left_to_confirm(admin):
    key, _ = viewed(admin)
    done(admin, key)
    response = admin.get(f"/keys/{key.pk}/store/")
    assert "This key has been viewed" in text(response)
    assert not elements(response, id="done")
    assert "Delete this key" in links(response)


def waiting(**columns):
    return {"cerby_id": None, "stored_at": None} | columns


LEASED = {"lease": uuid.UUID(int=1), "lease_until": NOW + timedelta(minutes=1)}
STATES = {
    State.REQUESTED: (waiting(), "The portal is asking Cerby"),
    State.CALLING: (waiting(**LEASED), "The portal is asking Cerby"),
    State.IN_DOUBT: (waiting(), "Cerby's answer was lost"),
    State.REFUSED: (waiting(failure="Cerby said no."), "There is nothing to store"),
    State.ABSENT: (waiting(), "There is nothing to store"),
    State.HELD: ({}, "There is nothing to store"),
    State.REVOKING: ({}, "There is nothing to store"),
    State.REVOKED: ({"removed_at": NOW}, "There is nothing to store"),
}


@in_one_test("state", STATES)
def test_every_other_state_is_explained_and_has_a_way_out(admin, cast, state):
    columns, said = STATES[state]
    key = a_key(cast.admin, state=state, **columns)
    response = admin.get(f"/keys/{key.pk}/store/")
    assert response.status_code == 200
    assert said in text(response)
    assert links(response)["API key settings"] == f"/keys/{key.pk}/"
    ways = {"Delete this key": f"/keys/{key.pk}/delete/", "Generate another key": "/keys/new/"}
    way = "Generate another key" if state in ENDED else "Delete this key"
    assert {link: url for link, url in links(response).items() if link in ways} == {way: ways[way]}
    assert not elements(response, id="key-mask")
    assert claim(admin, key).status_code == 410


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.ABSENT, "was not made."),
        (State.REFUSED, "was not made. Cerby said no."),
        (State.REVOKING, "is removed"),
        (State.HELD, "is active"),
    ],
)
def test_each_state_has_its_text(admin, cast, state, said):
    key = a_key(cast.admin, name="Payroll", state=state, **STATES[state][0])
    assert f"“payroll” {said}".lower() in text(admin.get(f"/keys/{key.pk}/store/")).lower()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("created-without-key", "The portal has deleted it in Cerby. Generate another one."),
        (
            "created-without-key, and deletion hangs",
            "keeps trying until Cerby confirms. Generate another one.",
        ),
    ],
)
def test_a_key_that_did_not_arrive_is_not_called_removed_without_a_reason(admin, sandbox, fault, said):
    rules = [{"route": "POST /api/v1/api-keys", "fault": "created-without-key", "seed": 1}]
    if "hangs" in fault:
        rules.append({"route": "DELETE /api/v1/api-keys/*", "fault": "500-uncommitted", "seed": 1})
    sandbox.faults.set(rules)
    key = generate(admin, name="Payroll")
    sandbox.faults.clear()
    response = admin.get(f"/keys/{key.pk}/store/")
    assert "The key did not arrive Cerby made “Payroll”" in text(response)
    assert said in text(response)
    assert links(response)["Generate another key"] == "/keys/new/"
    assert ("Delete this key" in links(response)) is ("hangs" in fault)


def test_an_expired_view_explains_what_to_do(admin):
    key = generate(admin, name="Payroll")
    RevealGrant.objects.update(expires_at=NOW - timedelta(seconds=1))
    response = admin.get(f"/keys/{key.pk}/store/")
    assert "The time to view this key is over" in text(response)
    assert "Delete this key" in links(response)
    assert admin.post(links(response)["Delete this key"]).status_code == 302
    assert ApiKey.objects.get(pk=key.pk).state == State.REVOKED


def test_cerby_cannot_list_its_vaults_but_show_and_copy_still_work(admin, settings):
    key = generate(admin)
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    response = admin.get(f"/keys/{key.pk}/store/")
    assert response.status_code == 200
    assert "cannot list your Cerby vaults" in text(response)
    assert the(response, id="show")
    assert not elements(response, id="save-open")
    assert claim(admin, key).status_code == 200


def test_a_save_that_fails_leaves_the_key_to_be_saved_again(admin, workspace, settings, sandbox):
    key, secret = viewed(admin)
    url, settings.CERBY_BASE_URL = settings.CERBY_BASE_URL, "http://127.0.0.1:9"
    failed = save(admin, key, secret, workspace.vaults[0])
    assert failed.status_code == 503
    assert secret not in failed.content.decode()
    settings.CERBY_BASE_URL = url
    assert save(admin, key, secret, workspace.vaults[0]).status_code == 200
    assert len(sandbox.secrets()) == 1


def test_deleting_instead_removes_key_and_view(admin, sandbox):
    key = generate(admin)
    admin.post(f"/keys/{key.pk}/delete/")
    assert claim(admin, key).status_code == 410
    assert RevealGrant.objects.get(key=key).sealed is None
    [upstream] = [seen for seen in sandbox.journal() if seen["method"] == "DELETE"]
    assert upstream["status"] == 204
