"""Generate a key while Cerby or the network fails: the resulting state, and a single call to Cerby."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings as portal

from keys import cerby
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.cerby import in_flight
from keys.crypto import fingerprint, seal
from keys.models import ApiKey, AuditEvent, RevealGrant, User
from keys.rules.errors import CerbyError, CerbyNeverReached, CerbyRefused, CerbyTooMany, Conflict, Invalid
from keys.rules.lifecycle import State
from tests import cast as people
from tests.support import own_database
from tests.support.asking import ASKED_ONCE, TAB, TAB_KEY, THE_POST, a_request, answer, events, send
from tests.support.bad_server import (
    KEY_ID,
    PLAIN_TEXT,
    Conversation,
    closed_port,
    data,
    http,
    listed_key,
    listing,
    refusal,
)
from tests.support.own_database import Address
from tests.support.workers import wait_until


@pytest.fixture
def cast(database: Address) -> people.Cast:
    return people.people_in_portal({name: str(uuid.uuid4()) for name in people.MEMBERS})


def opened(sealed: bytes, info: bytes) -> str:
    return seal.SUITE.decrypt(sealed, TAB, info).decode()


def test_a_good_answer_is_sealed_to_the_tab_and_kept_as_a_fingerprint(cast, cerby_that, database):
    server = cerby_that(send())
    request = a_request()

    key = ApiKey.objects.get(pk=issue_key(people.actor(cast.admin), request))

    assert server.lines() == [THE_POST]
    assert server.body()["data"]["attributes"]["ownerId"] == str(cast.admin.cerby_id)
    assert (key.id, key.state, str(key.cerby_id), key.lease) == (request.id, State.READY, KEY_ID, None)
    assert key.last_four == PLAIN_TEXT[-4:]
    stored = fingerprint.Fingerprint(key.pepper_id, bytes(key.fingerprint))
    assert fingerprint.matches(PLAIN_TEXT, stored, portal.PORTAL_PEPPERS)
    info = seal.reveal_info(
        workspace="contenzilla",
        key_id=key.id,
        user_id=cast.admin.pk,
        thumbprint=seal.thumbprint(TAB_KEY),
    )
    assert opened(bytes(key.grant.sealed), info) == PLAIN_TEXT
    assert PLAIN_TEXT.encode() not in own_database.everything_in(database)
    assert events() == [*ASKED_ONCE, "key:issue"]


def test_a_request_that_was_never_sent_is_refused(cast, settings):
    settings.CERBY_BASE_URL = f"http://127.0.0.1:{closed_port()}"
    settings.CERBY_TOKEN = "token"
    with pytest.raises(CerbyNeverReached) as caught:
        issue_key(people.actor(cast.admin), a_request())
    assert_refused(caught.value.sentence)


def test_while_cerby_is_silent_a_request_is_not_sent_and_never_in_doubt(cast, cerby_that, settings):
    """All calls that the process may have in flight wait for their answers."""
    settings.CERBY_LIMITS = {"at_once": 2, "answer": 30, "total": 30, "pauses": ()}
    server = cerby_that(Conversation.hang)
    waiting = [threading.Thread(target=ask_for_vaults) for _ in range(2)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: len(server.lines()) == 2)
    with pytest.raises(CerbyNeverReached, match="too many other requests, so nothing was changed") as caught:
        issue_key(people.actor(cast.admin), a_request())
    assert_refused(caught.value.sentence)  # the calls are recent, so it waited for its turn
    time.sleep(in_flight.LONG - in_flight.WAIT_FOR_TURN)
    with pytest.raises(CerbyNeverReached, match="too many other requests, so nothing was changed"):
        issue_key(people.actor(cast.admin), a_request())
    assert ApiKey.objects.count() == 1  # nothing more was recorded
    server.over.set()
    for thread in waiting:
        thread.join()
    assert THE_POST not in server.lines()


def ask_for_vaults() -> None:
    with suppress(CerbyError):
        cerby.connect().vaults()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 415, 422, 451])
def test_a_4xx_is_refused_in_cerbys_words(cast, cerby_that, status):
    server = cerby_that(refusal(status, "Not today."))
    with pytest.raises(CerbyRefused) as caught:
        issue_key(people.actor(cast.admin), a_request())
    assert "Not today." in caught.value.sentence
    assert_refused(caught.value.sentence)
    assert server.lines() == [THE_POST]


def test_a_429_is_refused_with_the_time_to_try_again(cast, cerby_that):
    server = cerby_that(refusal(429, "Slow down.", Retry_After="120"))
    with pytest.raises(CerbyTooMany, match=r"asked the portal to wait until \d\d:\d\d UTC") as caught:
        issue_key(people.actor(cast.admin), a_request())
    assert_refused(caught.value.sentence, "pause:start")
    assert server.lines() == [THE_POST]


def assert_refused(sentence: str, *also: str) -> None:
    key = ApiKey.objects.get()
    assert (key.state, key.failure, key.cerby_id) == (State.REFUSED, sentence, None)
    assert events() == [*ASKED_ONCE, *also, "key:issue"]
    last = AuditEvent.objects.latest("id")
    assert (last.outcome, last.reason) == ("failed", sentence)
    assert not RevealGrant.objects.exists()


def half_of(conversation: Conversation) -> None:
    whole = answer(conversation)
    conversation.send(whole[: len(whole) // 2])


IN_DOUBT = {
    "hangs up before the answer": lambda conversation: None,
    "resets": Conversation.reset,
    "sends half an answer": half_of,
    "never ends its answer": lambda conversation: conversation.drip(answer(conversation), 0.05),
    "stays silent": Conversation.hang,
    "sends no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    **{
        f"answers {status}": refusal(status, "Oh.")
        for status in (408, 409, 425, 500, 501, 502, 503, 504, 599)
    },
    **{
        f"redirects with {status}": http(status, Location="/elsewhere")
        for status in (301, 302, 303, 307, 308)
    },
    "answers 201 without a body": http(201),
    "answers 204": http(204),
    "answers 202": lambda conversation: conversation.send(http(202, {"data": {}})),
    "answers in HTML": http(200, "<h1>Welcome to the hotel's network</h1>", Content_Type="text/html"),
    "answers with broken JSON": http(201, '{"data": {"id": '),
    "answers with a list": http(201, {"data": []}),
    "answers about another request": send(externalId=str(uuid.uuid4())),
    "answers with other scopes": send(scopes=["read:users", "write:users"]),
    "answers with another owner": send(ownerId=str(uuid.uuid4())),
    "answers with a later expiry": send(expiresAt="2036-01-01T00:00:00Z"),
    "answers without the creation time": send(createdAt=None),
    "answers with a creation time after the expiry": send(createdAt="2036-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("name", IN_DOUBT)
def test_an_unclear_answer_is_in_doubt_and_the_call_is_not_repeated(
    cast, cerby_that, monkeypatch, database, name
):
    server = cerby_that(IN_DOUBT[name])
    impatient = cerby.CerbyClient(
        server.url, token="token", api_key=None, limits=cerby.Limits(answer=0.4, total=3)
    )
    monkeypatch.setattr(cerby, "connect", lambda: impatient)  # the real client with a shorter time-out
    request = a_request()

    assert issue_key(people.actor(cast.admin), request) == request.id

    key = ApiKey.objects.get()
    assert (key.state, key.lease, key.cerby_id, key.fingerprint) == (State.IN_DOUBT, None, None, None)
    assert events() == [*ASKED_ONCE, "key:lose-answer"]
    assert not RevealGrant.objects.exists()
    assert PLAIN_TEXT.encode() not in own_database.everything_in(database)

    assert issue_key(people.actor(cast.admin), request) == request.id
    assert server.lines() == [THE_POST]


def test_an_answer_with_the_id_of_another_key_is_in_doubt(cast, cerby_that):
    other = people.a_key(cast.owner, cerby_id=uuid.UUID(KEY_ID))
    cerby_that(send())
    key = ApiKey.objects.get(pk=issue_key(people.actor(cast.admin), a_request()))
    assert (key.state, key.cerby_id, key.fingerprint) == (State.IN_DOUBT, None, None)
    assert events() == [*ASKED_ONCE, "key:lose-answer"]
    assert ApiKey.objects.get(pk=other.pk).state == State.HELD
    assert not RevealGrant.objects.exists()


UNUSABLE = [None, "", "with a space", "emoji 🗝", 7]


@pytest.mark.parametrize("plain", UNUSABLE)
def test_a_key_without_usable_plain_text_is_removed_at_once(cast, cerby_that, plain):
    server = cerby_that(send(key=plain), listing([]), http(204), data(listed_key(status="removed")))
    key = ApiKey.objects.get(pk=issue_key(people.actor(cast.admin), a_request()))
    assert (key.state, str(key.cerby_id)) == (State.REVOKED, KEY_ID)
    assert events() == [*ASKED_ONCE, "key:lose-answer", "key:delete"]
    assert not RevealGrant.objects.exists()
    assert [line.split()[0] for line in server.lines()] == ["POST", "GET", "DELETE", "GET"]


@pytest.mark.parametrize("plain", UNUSABLE)
def test_if_that_removal_fails_the_key_can_be_deleted_again(cast, cerby_that, plain):
    server = cerby_that(
        send(key=plain),
        *(listing([]), refusal(403, "Not you.")),
        *(listing([]), http(204), data(listed_key(status="removed"))),
    )
    request = a_request()
    assert issue_key(people.actor(cast.admin), request) == request.id
    key = ApiKey.objects.get()
    assert (key.state, str(key.cerby_id)) == (State.REVOKING, KEY_ID)
    assert events() == [*ASKED_ONCE, "key:lose-answer", "key:delete"]
    assert AuditEvent.objects.latest("id").outcome == "failed"

    assert delete_key(people.actor(cast.admin), request.id).state == State.REVOKED
    assert [line.split()[0] for line in server.lines()] == ["POST", "GET", "DELETE", "GET", "DELETE", "GET"]


def test_a_process_that_lost_its_lease_drops_the_secret(cast, cerby_that, database):
    """Another process gave up the call while it was running, and has taken over the key."""
    request = a_request()

    def after_another_process_changed_the_state(conversation: Conversation) -> None:
        own_database.write(
            database, "UPDATE keys_apikey SET state = 'in_doubt', lease = NULL WHERE id = ?", request.id.hex
        )
        conversation.send(answer(conversation))

    server = cerby_that(after_another_process_changed_the_state)
    with pytest.raises(Conflict):
        issue_key(people.actor(cast.admin), request)

    key = ApiKey.objects.get()
    assert (key.state, key.cerby_id, key.fingerprint, key.last_four) == (State.IN_DOUBT, None, None, "")
    assert not RevealGrant.objects.exists()
    assert PLAIN_TEXT.encode() not in own_database.everything_in(database)
    assert events() == ASKED_ONCE
    assert server.lines() == [THE_POST]


def test_the_request_is_committed_and_no_transaction_is_open_while_cerby_is_called(
    cast, cerby_that, database
):
    seen: list[Any] = []

    def look_from_another_connection(conversation: Conversation) -> None:
        seen.extend(own_database.rows(database, "SELECT state, lease IS NOT NULL FROM keys_apikey"))
        seen.extend(own_database.rows(database, "SELECT type FROM keys_auditevent ORDER BY id"))
        own_database.write(database, "UPDATE keys_user SET name = 'Somebody wrote' WHERE role = 10")
        seen.append("wrote")
        seen.extend(own_database.open_transactions(database))
        conversation.send(answer(conversation))

    cerby_that(look_from_another_connection)
    issue_key(people.actor(cast.admin), a_request())

    assert seen == [("calling", 1), ("key:request",), ("key:call",), "wrote"]
    assert User.objects.get(role=10).name == "Somebody wrote"


def test_a_request_that_breaks_a_rule_reaches_neither_cerby_nor_the_inventory(cast, cerby_that):
    server = cerby_that(send())
    with pytest.raises(Invalid):
        issue_key(people.actor(cast.admin), a_request(name=" "))
    assert server.lines() == []
    assert not ApiKey.objects.exists()


def test_another_persons_request_is_refused(cast, cerby_that):
    server = cerby_that(send())
    request = a_request()
    issue_key(people.actor(cast.admin), request)
    with pytest.raises(Conflict):
        issue_key(people.actor(cast.owner), request)
    assert server.lines() == [THE_POST]
