"""Test that credentials and plain text stay out of reprs, messages, tracebacks and logs."""

import logging
import traceback
from datetime import UTC, datetime
from uuid import UUID

import pytest

from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.rules.errors import CerbyError
from tests.support.bad_server import (
    EXTERNAL_ID,
    OWNER_ID,
    PLAIN_TEXT,
    closed_port,
    data,
    http,
    made_key,
    refusal,
    serving,
)

TOKEN, API_KEY = "tok-CANARY-1234", "key-CANARY-5678"
CANARIES = (TOKEN, API_KEY, PLAIN_TEXT)
QUICK = Limits(connect=1, answer=0.3, total=2, pauses=(0.01,))


def client(url):
    return CerbyClient(url, token=TOKEN, api_key=API_KEY, limits=QUICK)


def issue(cerby):
    return cerby.issue_key(
        name="K",
        scopes=["read:users"],
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        owner_id=UUID(OWNER_ID),
        external_id=UUID(EXTERNAL_ID),
    )


def read_person(cerby):
    return cerby.person(UUID(OWNER_ID))


def told(error):
    """Return all that an error page, log or mail could show of our code, including local variables."""
    shown = [repr(error), str(vars(error))]
    while error is not None:
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        ours = [frame for frame in frames if "/keys/" in frame.filename]
        assert ours
        shown += [f"{frame.name} {frame.locals}" for frame in ours]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


ECHO = f"You sent 'Authorization: Bearer {TOKEN}' and {API_KEY}"
STEPS = {
    "401 that echoes": refusal(401, ECHO, code=TOKEN),
    "400 that echoes late": refusal(400, "x" * 290 + TOKEN),
    "500": http(500, ECHO),
    "a reset": lambda conversation: conversation.reset(),
    "no answer": lambda conversation: conversation.hang(),
    "a cut answer": data(made_key(), 201)[:-5],
    "an answer of another shape": data(made_key(ownerId="x"), 201),
    "another key": data(made_key(externalId=OWNER_ID), 201),
    "HTML": http(201, {"data": made_key()}, Content_Type="text/html"),
    "plain text with a space": data(made_key(key=f"{PLAIN_TEXT} "), 201),
    "a redirect": http(302, Location=f"https://elsewhere.example/{TOKEN}"),
}


@pytest.mark.parametrize("call", [issue, read_person])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_errors_and_logs_contain_no_secret(step, call, caplog):
    caplog.set_level(logging.DEBUG)
    with serving(step) as server, pytest.raises(CerbyError) as caught:
        call(client(server.url))
    everything = told(caught.value) + caplog.text + repr([vars(record) for record in caplog.records])
    assert not [canary for canary in CANARIES if canary in everything]
    assert "CANARY" not in everything
    assert server.url not in caught.value.sentence


def test_an_error_before_sending_contains_no_secret(caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CerbyError) as caught:
        issue(client(f"http://127.0.0.1:{closed_port()}"))
    assert "CANARY" not in told(caught.value) + caplog.text
    assert "ConnectionRefusedError" in caplog.text


def test_on_success_only_the_return_value_contains_the_secret(caplog):
    caplog.set_level(logging.DEBUG)
    with serving(data(made_key(), 201)) as server:
        cerby = client(server.url)
        key = issue(cerby)
    assert key.secret == PLAIN_TEXT
    assert "CANARY" not in caplog.text + repr(key) + str(key) + repr(cerby) + repr(cerby._exchange) + repr(
        vars(cerby)
    )


@pytest.mark.parametrize("bad", ["tok CANARY", "tok-CANARY\n", "tök-CANARY", "tok\x00CANARY"])
def test_a_credential_that_no_header_can_contain_is_rejected(bad):
    with pytest.raises(ValueError, match="CERBY_TOKEN contains a character") as caught:
        CerbyClient("https://w.cerby.com", token=bad, api_key=None)
    assert "CANARY" not in str(caught.value)
    with pytest.raises(ValueError, match="CERBY_API_KEY contains a character"):
        CerbyClient("https://w.cerby.com", token=None, api_key=bad)
