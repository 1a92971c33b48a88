"""Calls to a silent Cerby are bounded: few go out, and the others are refused at once, never in doubt."""

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from keys.cerby import in_flight
from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyNeverReached
from portal.conf import WEB_THREADS
from tests.support.bad_server import OWNER_ID, Conversation, KeepAlive, data, serving, user
from tests.support.workers import wait_until

AT_ONCE = 2
QUICK = Limits(answer=2, total=3, pauses=(), at_once=AT_ONCE)


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Let the waits be short, and forget the servers of other tests."""
    in_flight._bounds.clear()
    monkeypatch.setattr(in_flight, "LONG", 0.2)
    monkeypatch.setattr(in_flight, "WAIT_FOR_TURN", 1.0)
    monkeypatch.setattr(in_flight, "PAUSE", 60)


def client(server, **changes):
    limits = Limits(**{**QUICK.__dict__, **changes})
    return CerbyClient(server.url, token="tok-1", api_key="key-1", limits=limits)


def read(cerby):
    return cerby.person(UUID(OWNER_ID))


def write(cerby):
    expires_at = datetime.now(tz=UTC) + timedelta(days=1)
    return cerby.issue_key(
        name="Sync",
        scopes=["read:users"],
        expires_at=expires_at,
        owner_id=UUID(OWNER_ID),
        external_id=uuid4(),
    )


def outcome(call, cerby):
    try:
        call(cerby)
    except CerbyError as error:
        return type(error)
    return None


def at_the_same_time(call, cerby, count):
    """Return the number of times that each outcome came, and the seconds that each call took."""
    outcomes: Counter[str] = Counter()
    seconds: list[float] = []

    def one():
        began = time.monotonic()
        outcomes[outcome(call, cerby)] += 1
        seconds.append(time.monotonic() - began)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes, sorted(seconds)


def the_pause_is_over(server):
    in_flight._bounds[server.url, AT_ONCE]._next_attempt = 0


def hang(conversation: Conversation) -> None:
    conversation.hang()


@pytest.mark.parametrize("call", [read, write])
def test_a_silent_server_holds_few_threads(call):
    with serving(hang) as server:
        outcomes, seconds = at_the_same_time(call, client(server), 12)
    assert outcomes == {CerbyInDoubt: AT_ONCE, CerbyNeverReached: 12 - AT_ONCE}
    assert len(server.requests) == AT_ONCE  # a refused call was never sent
    at_once = seconds[: 12 - 2 * AT_ONCE]  # as many as are in flight wait for their turn
    assert max(at_once) < in_flight.WAIT_FOR_TURN


def test_without_the_bound_it_would_hold_all_of_them():
    with serving(hang) as server:
        outcomes, seconds = at_the_same_time(write, client(server, at_once=0), 12)
    assert outcomes == {CerbyInDoubt: 12}
    assert len(server.requests) == 12
    assert seconds[0] > 1


def test_a_burst_is_served_while_the_server_answers(monkeypatch):
    monkeypatch.setattr(in_flight, "LONG", 60)
    monkeypatch.setattr(in_flight, "WAIT_FOR_TURN", 60)
    with serving(KeepAlive(data(user()), after=0.02)) as server:
        outcomes, _ = at_the_same_time(read, client(server), 2 * AT_ONCE)
    assert outcomes == {None: 2 * AT_ONCE}


def test_nobody_waits_behind_calls_that_have_been_waiting_for_long(monkeypatch):
    """A read that waited would be sent when the calls in flight end."""
    monkeypatch.setattr(in_flight, "WAIT_FOR_TURN", 60)
    with serving(hang) as server:
        cerby = client(server)
        stuck = [threading.Thread(target=outcome, args=(read, cerby)) for _ in range(AT_ONCE)]
        for thread in stuck:
            thread.start()
        wait_until(lambda: len(server.requests) == AT_ONCE)
        time.sleep(in_flight.LONG)
        with pytest.raises(CerbyNeverReached, match="too many other requests"):
            read(cerby)
        with pytest.raises(CerbyNeverReached, match="generate the API key: the portal waits"):
            cerby.check_can_issue()
        assert len(server.requests) == AT_ONCE
        for thread in stuck:
            thread.join()


def test_all_clients_of_a_server_share_the_bound():
    """A pasted key is tried by a separate client."""
    with serving(hang) as server:
        first, second = client(server), client(server)
        stuck = [threading.Thread(target=outcome, args=(read, first)) for _ in range(AT_ONCE)]
        for thread in stuck:
            thread.start()
        wait_until(lambda: len(server.requests) == AT_ONCE)
        assert outcome(read, second) is CerbyNeverReached
        for thread in stuck:
            thread.join()


def test_a_silent_server_is_asked_rarely_until_it_answers():
    with serving(hang, hang, hang, hang, KeepAlive(data(user()))) as server:
        cerby = client(server)
        cerby.check_can_issue()
        for _ in range(3):
            assert outcome(read, cerby) is CerbyInDoubt
        for _ in range(5):
            with pytest.raises(
                CerbyNeverReached, match="has not answered the last 3 requests, so nothing was changed"
            ):
                write(cerby)
        assert outcome(CerbyClient.check_can_issue, cerby) is CerbyNeverReached
        assert len(server.requests) == 3

        the_pause_is_over(server)
        outcomes, _ = at_the_same_time(read, cerby, 2)
        assert outcomes == {CerbyInDoubt: 1, CerbyNeverReached: 1}  # one attempt, unanswered
        assert len(server.requests) == 4

        the_pause_is_over(server)
        assert outcome(read, cerby) is None
        assert outcome(read, cerby) is None  # and all calls go out again
        assert len(server.requests) == 6


def test_an_error_is_an_answer():
    """A server that refuses or fails quickly holds no thread."""
    with serving(KeepAlive(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")) as server:
        cerby = client(server)
        outcomes = {outcome(read, cerby) for _ in range(6)}
    assert outcomes == {CerbyInDoubt}
    assert len(server.requests) == 6


def test_a_call_can_be_given_less_time():
    with serving(hang) as server:
        began = time.monotonic()
        with pytest.raises(CerbyError):
            client(server, answer=20, total=20).person(UUID(OWNER_ID), within=0.2)
        with pytest.raises(CerbyError):
            client(server, answer=20, total=20).vaults(within=0.2)
        assert time.monotonic() - began < 10


def test_most_threads_remain_free():
    assert Limits().at_once * 3 <= WEB_THREADS
