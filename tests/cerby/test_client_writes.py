"""Test writes: each is sent once, and its outcome is done, not done or in doubt."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest

from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.rules.errors import (
    CerbyConflict,
    CerbyForbidden,
    CerbyInDoubt,
    CerbyKeyWithoutSecret,
    CerbyNeverReached,
    CerbyNotFound,
    CerbyRefused,
    CerbyTooMany,
    CerbyUnauthorized,
)
from tests.support.bad_server import (
    EXTERNAL_ID,
    KEY_ID,
    OWNER_ID,
    PLAIN_TEXT,
    KeepAlive,
    closed_port,
    data,
    http,
    listed_key,
    listing,
    made_key,
    refusal,
    serving,
)
from tests.support.cases import in_one_test

QUICK = Limits(connect=2, answer=0.4, total=3, body=100_000, pauses=(0.01, 0.01, 0.01))


def client(server_or_url, limits=QUICK, **credentials):
    url = getattr(server_or_url, "url", server_or_url)
    return CerbyClient(url, **({"token": "tok-1", "api_key": "key-1"} | credentials), limits=limits)


def issue(cerby):
    return cerby.issue_key(
        name="K",
        scopes=["read:users"],
        expires_at=datetime(2027, 1, 1, tzinfo=UTC),
        owner_id=UUID(OWNER_ID),
        external_id=UUID(EXTERNAL_ID),
    )


def save(cerby):
    return cerby.save_secret(title="T", body="B", vault_id=UUID(KEY_ID))


def rescope(cerby):
    return cerby.rescope_key(UUID(KEY_ID), ["read:users"])


def delete(cerby):
    return cerby.delete_key(UUID(KEY_ID))


WRITES = [issue, save, rescope, delete]


def test_a_key_is_issued():
    with serving(data(made_key(), 201, Content_Type="application/json; charset=utf-8")) as server:
        key = issue(client(server))
    assert (str(key.id), key.secret) == (KEY_ID, PLAIN_TEXT)
    assert server.lines() == ["POST /api/v1/api-keys HTTP/1.1"]
    assert server.body()["data"]["attributes"]["externalId"] == EXTERNAL_ID
    assert server.header("Authorization") == "Bearer tok-1"
    assert server.header("X-API-Key") is None


def test_a_secret_is_saved_with_the_api_key():
    resource = {"id": KEY_ID, "type": "secret", "attributes": {"title": "T"}}
    with serving(data(resource, 201)) as server:
        assert save(client(server)).title == "T"
        assert (server.header("X-API-Key"), server.header("Authorization")) == ("key-1", None)
        assert save(client(server, api_key=None)).title == "T"
        assert (server.header("X-API-Key"), server.header("Authorization")) == (None, "Bearer tok-1")


def test_scopes_are_replaced():
    with serving(data(listed_key())) as server:
        assert rescope(client(server)).scopes == ("read:users",)
    assert server.lines() == [f"PATCH /api/v1/api-keys/{KEY_ID} HTTP/1.1"]
    assert server.body()["data"]["attributes"] == {"scopes": ["read:users"]}


@in_one_test("answer", [http(204), http(200), http(200, "<p>gone</p>", Content_Type="text/html")])
def test_a_key_is_deleted(answer):
    with serving(answer) as server:
        delete(client(server))
    assert server.lines() == [f"DELETE /api/v1/api-keys/{KEY_ID} HTTP/1.1"]


@in_one_test("write", WRITES)
def test_a_refused_connection_means_that_nothing_was_sent(write):
    with pytest.raises(CerbyNeverReached, match="nothing was changed"):
        write(client(f"http://127.0.0.1:{closed_port()}"))


def test_a_failed_name_lookup_means_that_nothing_was_sent():
    with pytest.raises(CerbyNeverReached):
        issue(client(f"https://{'a' * 64}.example"))


@in_one_test("step", [b"this is not TLS", lambda conversation: conversation.reset()])
def test_a_failed_tls_handshake_means_that_nothing_was_sent(step):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake():
            sock, _ = listener.accept()
            with sock:
                hello = sock.recv(65_536)
                assert hello[:1] == b"\x16"  # a TLS handshake, not a request
                if isinstance(step, bytes):
                    sock.sendall(step)
                else:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        thread = threading.Thread(target=shake)
        thread.start()
        with pytest.raises(CerbyNeverReached):
            issue(client(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()


def test_an_endless_tls_handshake_means_that_nothing_was_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(CerbyNeverReached):
        issue(client(f"https://127.0.0.1:{listener.getsockname()[1]}", Limits(connect=0.2)))


DOUBTFUL = {
    "reset before an answer": lambda conversation: conversation.reset(),
    "closed before an answer": b"",
    "closed within the headers": b"HTTP/1.1 201 Created\r\nContent-Ty",
    "not HTTP": b"220 smtp.example ESMTP\r\n",
    "no answer in time": lambda conversation: conversation.hang(),
    "an interim answer for ever": lambda conversation: conversation.drip(
        b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 0.01
    ),
    "500 in HTML": http(500, "<h1>Oops</h1>", Content_Type="text/html"),
    "502": http(502),
    "503 with Retry-After": refusal(503, "busy", Retry_After="0"),
    "408": refusal(408, "too slow"),
    "425": refusal(425, "too early"),
    "redirect": http(307, Location="https://elsewhere.example/"),
    "304": http(304),
    "two lengths": b"HTTP/1.1 201 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n{}   ",
}


@in_one_test("write", WRITES)
@in_one_test("step", DOUBTFUL.values())
def test_the_outcome_is_in_doubt(step, write):
    with serving(step) as server, pytest.raises(CerbyInDoubt, match="may or may not have") as caught:
        write(client(server))
    assert type(caught.value) is CerbyInDoubt
    assert len(server.requests) == 1
    assert server.connections == 1


WHOLE = data(made_key(), 201)
CUT_MIDWAY = WHOLE[: len(WHOLE) // 2]
UNREADABLE = {
    "reset within the body": lambda conversation: (conversation.send(CUT_MIDWAY), conversation.reset()),
    "closed within the body": CUT_MIDWAY,
    "a length beyond the body": http(201, {"data": made_key()}, Content_Length="100000"),
    "a length short of the body": http(201, {"data": made_key()}, Content_Length="40"),
    "stalled within the body": lambda conversation: (conversation.send(CUT_MIDWAY), conversation.hang()),
    "a byte at a time": lambda conversation: conversation.drip(WHOLE, 0.02),
    "chunks that break off": b"HTTP/1.1 201 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n{",
    "HTML": http(201, {"data": made_key()}, Content_Type="text/html"),
    "no content type": WHOLE.replace(b"Content-Type: application/json\r\n", b""),
    "not JSON": http(201, "created"),
    "an empty body": http(201),
    "too long": http(201, {"data": made_key(), "padding": "x" * 200_000}),
    "too long, by blanks": http(201, json.dumps({"data": made_key()}) + " " * 200_000),
    "no resource": http(201, {"data": None}),
    "another type": data(made_key() | {"type": "secret"}, 201),
    "no id": data(made_key() | {"id": ""}, 201),
    "another external id": data(made_key(externalId=KEY_ID), 201),
    "other scopes": data(made_key(scopes=["read:users", "write:users"]), 201),
    "another owner": data(made_key(ownerId=KEY_ID), 201),
    "202, in full": data(made_key(), 202),
    "204": http(204),
    "409": refusal(409, "externalId is known"),
}


@in_one_test("step", UNREADABLE.values())
def test_a_key_may_have_been_created(step):
    with serving(step) as server, pytest.raises(CerbyInDoubt, match="may or may not have") as caught:
        issue(client(server))
    assert type(caught.value) is CerbyInDoubt
    assert len(server.requests) == 1


def test_a_200_that_parses_in_full_is_a_success():
    with serving(data(made_key(), 200)) as server:
        assert issue(client(server)).secret == PLAIN_TEXT
    with serving(data(made_key(createdAt=None), 200)) as server, pytest.raises(CerbyInDoubt):
        issue(client(server))


@in_one_test("plain", [None, "", 7, "two words", "line\nbreak", "x" * 5000])
def test_a_key_whose_plain_text_did_not_arrive(plain):
    with serving(data(made_key(key=plain), 201)) as server, pytest.raises(CerbyKeyWithoutSecret) as caught:
        issue(client(server))
    assert caught.value.upstream_id == KEY_ID


REFUSALS = [
    (400, CerbyRefused),
    (401, CerbyUnauthorized),
    (403, CerbyForbidden),
    (404, CerbyNotFound),
    (418, CerbyRefused),
    (422, CerbyRefused),
]


@in_one_test("write", [issue, rescope, delete])
@in_one_test("status, kind", REFUSALS)
def test_a_refusal_means_that_nothing_was_done(status, kind, write):
    with (
        serving(refusal(status, "Name is\x00 taken.\nPick another.", code="validation_error")) as server,
        pytest.raises(CerbyRefused) as caught,
    ):
        write(client(server))
    assert type(caught.value) is kind
    assert caught.value.upstream_status == status
    assert caught.value.code == "validation_error"
    assert "“Name is taken. Pick another.”" in caught.value.sentence
    assert len(server.requests) == 1


def test_cerbys_message_about_a_secret_is_not_quoted():
    with (
        serving(refusal(400, "body 'B-CANARY' is too long")) as server,
        pytest.raises(CerbyRefused) as caught,
    ):
        save(client(server))
    assert "CANARY" not in str(caught.value)


def test_a_long_detail_is_cut():
    with serving(refusal(400, "word " * 1000)) as server, pytest.raises(CerbyRefused) as caught:
        issue(client(server))
    assert "word…" in caught.value.sentence or "wor…" in caught.value.sentence
    assert len(caught.value.sentence) < 420


@in_one_test("step", [http(403, "<h1>No</h1>", Content_Type="text/html"), http(403, Content_Length="50")])
def test_a_refusal_needs_no_readable_body(step):
    with serving(step) as server, pytest.raises(CerbyForbidden):
        issue(client(server))


@in_one_test("write", [save, rescope, delete])
def test_a_conflict_means_that_nothing_was_done(write):
    with serving(refusal(409, "The key has expired.")) as server, pytest.raises(CerbyConflict):
        write(client(server))


def test_other_scopes_than_requested_are_in_doubt():
    with (
        serving(data(listed_key(scopes=["read:users", "write:users"]))) as server,
        pytest.raises(CerbyInDoubt),
    ):
        rescope(client(server))
    with serving(data(listed_key(OWNER_ID))) as server, pytest.raises(CerbyInDoubt, match="something else"):
        rescope(client(server))


@in_one_test(
    "header, low, high",
    [
        (None, 300, 300),
        ("17", 17, 17),
        ("0", 1, 1),
        ("999999999999", 3600, 3600),
        ("-5", 300, 300),
        ("soon", 300, 300),
        ("1.5", 300, 300),
        ({"minutes": 10}, 580, 600),
        ({"days": 10}, 3600, 3600),
        ({"days": -1}, 1, 1),
    ],
)
def test_too_many_requests(header, low, high):
    if isinstance(header, dict):
        header = format_datetime(datetime.now(UTC) + timedelta(**header), usegmt=True)
    headers = {} if header is None else {"Retry_After": header}
    with (
        serving(refusal(429, "Too many", **headers)) as server,
        pytest.raises(CerbyTooMany, match="asked the portal to wait") as caught,
    ):
        issue(client(server))
    assert low <= caught.value.retry_after <= high
    assert len(server.requests) == 1


@in_one_test("write", WRITES)
def test_a_write_never_goes_over_a_used_connection(write):
    """The server keeps the connection open, answers once, and ignores later requests on it."""
    page = listing([])
    with serving(KeepAlive(page), KeepAlive(page), lambda conversation: conversation.reset()) as server:
        cerby = client(server)
        list(cerby.people())
        list(cerby.keys())  # over the pooled connection
        used = server.connections
        with pytest.raises(CerbyInDoubt):
            write(cerby)
    assert used == 1
    assert server.connections == 2
    assert server.header("Connection") == "close"


def test_without_a_credential_nothing_is_sent():
    with serving(http(204)) as server:
        for write in (issue, rescope, delete):
            with pytest.raises(CerbyUnauthorized, match="CERBY_TOKEN"):
                write(client(server, token=None))
        with pytest.raises(CerbyUnauthorized, match="CERBY_API_KEY or CERBY_TOKEN"):
            save(client(server, token=None, api_key=""))
    assert server.connections == 0
