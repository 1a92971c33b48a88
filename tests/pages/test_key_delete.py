"""Test the deletion of a key in each of its ten states."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey, RevealGrant
from keys.rules.lifecycle import State
from tests.cast import a_key, a_live_key
from tests.pages.helpers import HTMX, attribute, elements, events, links, messages_of, rows, text, the, words

NOW = timezone.now()
CLOSED_PORT = "http://127.0.0.1:9"
LEASE = {"lease": uuid.UUID(int=7)}


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def delete(browser, key, **more):
    return browser.post(f"/keys/{key.pk}/delete/", **more)


def state_of(key) -> str:
    return ApiKey.objects.get(pk=key.pk).state


def never_live(owner, **columns):
    return a_key(owner, cerby_id=None, stored_at=None, **columns)


def test_the_dialog_asks_and_can_be_left(admin, cast):
    key = a_key(cast.owner, name="Payroll")
    for headers in ({}, HTMX):
        response = admin.get(f"/keys/{key.pk}/delete/", headers=headers)
        assert words(the(response, id="dialog-title")) == "Delete API key?"
        assert "“Payroll”, owned by Owner Person" in text(response)
        assert "Delete API key" in [words(button) for button in elements(response, "button")]
        assert attribute(the(response, "a", data_close=""), "href") == f"/keys/{key.pk}/"
    assert state_of(key) == State.HELD


def test_the_key_stops_working_and_its_row_stays_as_removed(admin, cast, sandbox):
    key, plain = a_live_key(sandbox, cast.owner, name="Payroll")
    assert sandbox.accepts(plain)
    response = delete(admin, key)
    assert response["Location"] == f"/keys/{key.pk}/"
    assert "“Payroll” is removed" in messages_of(admin.get(response["Location"]))
    assert not sandbox.accepts(plain)
    [row] = rows(admin.get("/keys/"))
    assert (row["Name"], row["Status"]) == ("Payroll", "Removed")
    assert [event.type for event in events(key_id=key.pk)] == ["key:start-delete", "key:delete"]


def test_under_htmx_the_page_itself_moves_on(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.owner)
    assert delete(admin, key, headers=HTMX)["HX-Redirect"] == f"/keys/{key.pk}/"


@pytest.mark.parametrize(
    ("person", "holder"),
    [("admin", "owner"), ("super_admin", "owner"), ("owner", "admin"), ("user", "user"), ("guest", "guest")],
)
def test_every_admin_and_the_keys_own_owner_may(browser_of, cast, sandbox, person, holder):
    key, plain = a_live_key(sandbox, cast[holder])
    assert delete(browser_of(person), key).status_code == 302
    assert not sandbox.accepts(plain)


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_asks_for_a_fresh_sign_in(browser_of, cast, sandbox, method):
    key, plain = a_live_key(sandbox, cast.owner)
    response = getattr(browser_of("admin", seconds_ago=301), method)(f"/keys/{key.pk}/delete/")
    assert response["Location"].endswith(f"?next=%2Fkeys%2F{key.pk}%2Fdelete%2F")
    assert sandbox.accepts(plain)


def test_a_request_that_was_never_sent_is_cancelled(admin, cast, sandbox):
    key = never_live(cast.owner, state=State.REQUESTED)
    assert delete(admin, key).status_code == 302
    assert state_of(key) == State.ABSENT
    assert [event.type for event in events(key_id=key.pk)] == ["key:cancel"]
    assert sandbox.journal() == []


def test_during_a_call_to_cerby_it_says_when_to_try_again(admin, cast):
    key = never_live(
        cast.owner, state=State.CALLING, lease_until=timezone.now() + timedelta(seconds=40), **LEASE
    )
    response = delete(admin, key)
    assert response.status_code == 409
    assert "Delete it in 40 seconds" in text(response) or "Delete it in 39 seconds" in text(response)
    assert state_of(key) == State.CALLING


@pytest.mark.parametrize("since", [timedelta(seconds=1), timedelta(minutes=14)])
def test_a_call_that_died_may_still_arrive_so_absence_proves_nothing_yet(admin, cast, since):
    key = never_live(cast.owner, state=State.CALLING, lease_until=timezone.now() - since, **LEASE)
    response = delete(admin, key)
    assert response.status_code == 409
    minutes = 15 - int(since.total_seconds()) // 60
    assert f"does not list the key in {minutes} minute" in text(response)
    assert state_of(key) == State.IN_DOUBT
    assert [event.type for event in events(key_id=key.pk)] == ["key:lose-answer", "key:look-up"]


@pytest.mark.parametrize("state", [State.CALLING, State.IN_DOUBT])
def test_after_a_quarter_of_an_hour_absence_is_proof(admin, cast, state):
    lease = LEASE if state == State.CALLING else {}
    key = never_live(cast.owner, state=state, lease_until=timezone.now() - timedelta(minutes=16), **lease)
    assert delete(admin, key).status_code == 302
    assert state_of(key) == State.ABSENT


@pytest.mark.parametrize("state", [State.CALLING, State.IN_DOUBT])
def test_a_lost_key_that_cerby_lists_is_removed_at_once(admin, cast, sandbox, state):
    key, plain = a_live_key(
        sandbox,
        cast.owner,
        state=state,
        lease_until=timezone.now() - timedelta(seconds=1),
        **(LEASE if state == State.CALLING else {}),
    )
    upstream = key.cerby_id
    ApiKey.objects.filter(pk=key.pk).update(cerby_id=None)
    assert delete(admin, key).status_code == 302
    found = ApiKey.objects.get(pk=key.pk)
    assert (found.state, found.cerby_id) == (State.REVOKED, upstream)
    assert not sandbox.accepts(plain)


@pytest.mark.parametrize("state", [State.READY, State.CLAIMED, State.HELD, State.REVOKING])
def test_a_live_key_is_removed_and_its_view_with_it(admin, cast, sandbox, state):
    key, plain = a_live_key(sandbox, cast.owner, state=state)
    if state == State.READY:
        RevealGrant.objects.create(key=key, user=cast.owner, sealed=b"sealed", thumbprint="t", expires_at=NOW)
    assert delete(admin, key).status_code == 302
    assert state_of(key) == State.REVOKED
    assert not sandbox.accepts(plain)
    assert not RevealGrant.objects.filter(sealed__isnull=False).exists()


@pytest.mark.parametrize("state", [State.READY, State.CLAIMED, State.HELD, State.REVOKING])
def test_an_outage_of_cerby_leaves_the_key_to_be_deleted_again(admin, cast, sandbox, settings, state):
    key, plain = a_live_key(sandbox, cast.owner, state=state)
    url, settings.CERBY_BASE_URL = settings.CERBY_BASE_URL, CLOSED_PORT
    failed = delete(admin, key)
    assert failed.status_code == 503
    assert state_of(key) == State.REVOKING
    assert events(key_id=key.pk)[-1].outcome == "failed"
    page = admin.get(f"/keys/{key.pk}/")
    assert "removal unconfirmed" in text(page)
    assert "may still work" in text(page)
    settings.CERBY_BASE_URL = url
    assert admin.post(links(page)["Delete API key"]).status_code == 302
    assert state_of(key) == State.REVOKED
    assert not sandbox.accepts(plain)


def test_under_htmx_a_failed_deletion_leads_to_the_page_as_it_is_then(admin, cast, sandbox, settings):
    key, _ = a_live_key(sandbox, cast.owner)
    settings.CERBY_BASE_URL = CLOSED_PORT
    there = delete(admin, key, headers=HTMX)["HX-Redirect"]
    assert there == f"/keys/{key.pk}/"
    page = text(admin.get(there))
    assert "Cerby could not be asked to delete the API key" in page
    assert "Deletion is not confirmed" in page


def test_an_error_after_the_deletion_names_the_deletion(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.owner)
    sandbox.faults.set([{"fault": "403", "route": "GET /api/v1/api-keys/*"}])
    assert "Cerby has not confirmed the deletion. Cerby refused to look up" in text(delete(admin, key))
    sandbox.faults.clear()
    assert delete(admin, key).status_code == 302


def test_in_doubt_and_cerby_cannot_be_asked(admin, cast, settings):
    key = never_live(cast.owner, state=State.IN_DOUBT)
    settings.CERBY_BASE_URL = CLOSED_PORT
    assert delete(admin, key).status_code == 503
    assert state_of(key) == State.IN_DOUBT


def test_a_key_that_is_gone_in_cerby_counts_as_removed(admin, cast):
    key = a_key(cast.owner, name="Unknown to Cerby")
    assert delete(admin, key).status_code == 302
    assert state_of(key) == State.REVOKED


@pytest.mark.parametrize("state", [State.REFUSED, State.ABSENT, State.REVOKED])
def test_an_ended_key_cannot_be_deleted_again(admin, cast, sandbox, state):
    key = a_key(cast.owner, state=state, cerby_id=None, removed_at=NOW if state == State.REVOKED else None)
    assert "There is nothing to delete" in text(admin.get(f"/keys/{key.pk}/delete/"))
    assert "Delete API key" not in links(admin.get(f"/keys/{key.pk}/"))
    assert delete(admin, key).status_code == 302
    assert state_of(key) == state
    assert events(key_id=key.pk) == []
    assert sandbox.journal() == []


def test_twice_is_once(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.owner)
    assert [delete(admin, key).status_code for _ in range(2)] == [302, 302]
    assert len(events(type="key:delete")) == 1


def hidden(response) -> dict[str, str]:
    return {
        str(attribute(field, "name")): attribute(field, "value") or ""
        for field in elements(response, "input", type="hidden")
    }


def test_after_an_act_the_person_is_on_the_same_list_with_its_filter_and_page(admin, cast, sandbox):
    for number in range(60):
        a_key(cast.owner, name=f"Nightly {number:02}", cerby_id=None, origin="declared")
    last, _ = a_live_key(sandbox, cast.owner, name="Nightly 99")
    first = admin.get("/keys/?q=nightly&sort=name")
    here = "/keys/" + links(first)["Next"]
    page = admin.get(here)
    address = next(found for found in hrefs(page) if str(last.pk) in found and "/delete/" in found)
    asked = admin.get(address)
    assert attribute(the(asked, "a", data_close=""), "href") == here
    done = admin.post(f"/keys/{last.pk}/delete/", hidden(asked))
    assert done["Location"] == here
    assert "“Nightly 99” is removed" in messages_of(admin.get(here))
    key = ApiKey.objects.get(name="Nightly 59")
    settings = admin.get(f"/keys/{key.pk}/", headers={"referer": f"http://testserver{here}"})
    assert attribute(the(settings, "a", class_="back"), "href") == here
    asked = admin.get(next(found for found in hrefs(settings) if "/withdraw/" in found))
    assert admin.post(f"/keys/{key.pk}/withdraw/", hidden(asked) | {"reason": "Twice."})["Location"] == here
    by_hand = ApiKey.objects.get(name="Nightly 58")
    done = admin.post(f"/keys/{by_hand.pk}/delete/", {"back": here})
    asked = admin.get(done["Location"])
    done = admin.post(f"/keys/{by_hand.pk}/removal/confirm/", hidden(asked) | {"deleted": "on"})
    assert done["Location"] == here


def hrefs(response) -> list[str]:
    return [attribute(found, "href") or "" for found in elements(response, "a")]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/keys/",
        "//evil.example/keys/",
        "/sign-out/",
        "javascript:1",
        "/keys/no",
        "/keys/?q=sbx_9f3kQ7vLmT2xW8zR4nB6cD1yH5",
    ],
)
def test_nothing_but_a_list_of_the_portal_is_returned_to(admin, cast, sandbox, elsewhere):
    key, _ = a_live_key(sandbox, cast.owner)
    assert delete(admin, key, data={"back": elsewhere})["Location"] == f"/keys/{key.pk}/"


def test_a_page_whose_last_key_has_gone_leads_to_the_first_one(admin, cast):
    for _ in range(51):
        a_key(cast.owner)
    here = "/keys/" + links(admin.get("/keys/?status=active"))["Next"]
    ApiKey.objects.filter(pk=ApiKey.objects.order_by("created_at", "id").values("pk")[:1]).update(
        state=State.WITHDRAWN
    )
    assert admin.get(here)["Location"] == "/keys/?status=active"
