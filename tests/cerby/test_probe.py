"""Test probes of keys against a real sandbox and against misbehaving servers."""

from __future__ import annotations

import logging
import time

import pytest

from keys.cerby.exchange import Limits
from keys.cerby.probe import PROBES, Access, probe
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyNeverReached, CerbyTooMany
from tests.cast import a_live_key
from tests.support.bad_server import KeepAlive, http, refusal, serving

FAST = Limits(connect=1, answer=1, total=2, pauses=(0.01,))
EMPTY = '{"data": [], "links": {"next": null}, "meta": {"page": {"maxSize": 100, "total": 0}}}'
SECRET = "sbx_canary-0123456789-abcdefghijklmnop"


def opened(seen) -> set[str]:
    return {one.list_name for one in PROBES if seen[one] is Access.OPEN}


@pytest.fixture
def seen_by(workspace, cast, settings):
    """``seen_by("admin", ["read:users"])`` returns what a key of that person with these scopes can read."""

    def see(person: str, scopes: list[str]):
        _, plain = a_live_key(workspace.sandbox, cast[person], scopes=scopes)
        return probe(settings.CERBY_BASE_URL, plain)

    return see


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["read:users"], {"users", "teams"}),
        (["read:items"], {"accounts", "secrets"}),
        (["read:items:accounts"], {"accounts"}),
        (["read:items:secrets"], {"secrets"}),
        (["read:integrations"], {"integrations"}),
        (["read:vaults"], {"vaults"}),
        (["read:activities", "write:automations", "read:automations", "write:users"], set()),
    ],
)
def test_each_scope_opens_its_lists_and_no_other(seen_by, scopes, expected):
    assert opened(seen_by("admin", scopes)) == expected


def test_missing_rights_of_the_owner_differ_from_missing_scopes(seen_by):
    """Cerby (published): vaults are for Admins and above; 403 is the person, 401 the scope."""
    vaults = next(one for one in PROBES if one.list_name == "vaults")
    assert seen_by("user", ["read:vaults"])[vaults] is Access.FORBIDDEN
    assert seen_by("user", ["read:users"])[vaults] is Access.CLOSED


def test_a_key_that_cerby_does_not_know_opens_nothing(workspace, settings):
    assert set(probe(settings.CERBY_BASE_URL, SECRET).values()) == {Access.CLOSED}


def test_it_reads_one_item_of_each_list_with_only_the_given_key(workspace, settings):
    with serving(KeepAlive(http(401))) as server:
        probe(server.url, SECRET, limits=FAST)
        lines = server.lines()
        assert len(lines) == len(PROBES)
        for number, one in enumerate(PROBES):
            assert lines[number] == f"GET {one.path}?page%5Bnumber%5D=1&page%5Bsize%5D=1 HTTP/1.1"
            assert server.header("X-API-Key", number) == SECRET
            assert server.header("Authorization", number) is None


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (refusal(429, "Slow down."), CerbyTooMany),
        (refusal(500, "Oops."), CerbyInDoubt),
        (http(503, "<h1>Busy</h1>", Content_Type="text/html"), CerbyInDoubt),
        (http(302, Location="https://elsewhere.example/"), CerbyError),
        (lambda conversation: conversation.reset(), CerbyNeverReached),
        (lambda conversation: conversation.hang(), CerbyInDoubt),
    ],
)
def test_an_indefinite_answer_lets_no_key_pass(step, error):
    """A misbehaving server answers half of the lists, and then this."""
    started = time.monotonic()
    with (
        serving(http(200, EMPTY, Content_Type="application/json"), http(401), step) as server,
        pytest.raises(error),
    ):
        probe(server.url, SECRET, limits=FAST)
    assert time.monotonic() - started < 20  # of 30


def test_a_refused_connection_raises_never_reached():
    with pytest.raises(CerbyNeverReached):
        probe("http://127.0.0.1:9", SECRET, limits=FAST)


@pytest.mark.parametrize("status", [400, 418, 429, 500])
def test_no_error_or_log_contains_the_key_even_if_cerby_quotes_it(status, caplog):
    caplog.set_level(logging.DEBUG)
    quoting = refusal(status, f"The key {SECRET} is not welcome.")
    with serving(quoting) as server, pytest.raises(CerbyError) as caught:
        probe(server.url, SECRET, limits=FAST)
    told = ""
    error: BaseException | None = caught.value
    while error is not None:
        told += f"{error} {error!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    assert SECRET not in told
    assert SECRET not in caplog.text + repr([vars(record) for record in caplog.records])
