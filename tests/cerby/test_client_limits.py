"""Test the client's limits: time, size, TLS, redirects, proxies, cookies, addresses."""

import ipaddress
import ssl
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.cerby.calls import LARGEST_PAGE, LARGEST_REFUSAL, LARGEST_RESOURCE
from keys.cerby.client import CerbyClient
from keys.cerby.exchange import Limits
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyNeverReached
from tests.support.bad_server import (
    OWNER_ID,
    Conversation,
    KeepAlive,
    closed_port,
    data,
    http,
    listing,
    serving,
    user,
)
from tests.support.cases import in_one_test

QUICK = Limits(connect=2, answer=0.4, total=3, body=100_000, pauses=())
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def client(url, limits=QUICK):
    return CerbyClient(url, token="tok-1", api_key="key-1", limits=limits)


def read_person(cerby):
    return cerby.person(UUID(OWNER_ID))


DRIPPING = {
    "the status line": b"HTTP/1.1 200 " + b"O" * 500,
    "headers": HEAD + b"X-Long: " + b"y" * 500,
    "a body with a length": HEAD + b"Content-Length: 500\r\n\r\n" + b" " * 500,
    "a body without a length": HEAD + b"\r\n" + b" " * 500,
    "chunk sizes": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 500,
    "many small chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100,
}


@pytest.mark.parametrize("answer", DRIPPING.values(), ids=DRIPPING)
def test_a_server_that_sends_single_bytes_cannot_block_a_thread(answer):
    """Each byte arrives within the time-out of one read; together they would take eight seconds or more."""
    fast, slow = answer[:60], answer[60:]

    def drip(conversation: Conversation) -> None:
        conversation.send(fast)
        conversation.drip(slow, 0.02)

    with serving(drip) as server:
        begun = time.monotonic()
        with pytest.raises(CerbyInDoubt):
            read_person(client(server.url))
        assert 0.3 < time.monotonic() - begun < 5


def test_the_total_time_includes_all_repetitions():

    def refuse_slowly(conversation: Conversation) -> None:
        time.sleep(0.25)
        conversation.send(http(503))

    with serving(refuse_slowly) as server:
        begun = time.monotonic()
        with pytest.raises(CerbyError):
            read_person(client(server.url, Limits(total=0.6, pauses=(0.01,) * 50)))
        assert time.monotonic() - begun < 5
    assert len(server.requests) <= 4


def test_one_answer_may_not_take_longer_than_the_total_time():
    with serving(lambda conversation: conversation.hang()) as server:
        begun = time.monotonic()
        with pytest.raises(CerbyInDoubt):
            read_person(client(server.url, Limits(total=0.4)))
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 900000000\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
    ],
    ids=["no length", "a length", "a redirect", "a refusal"],
)
def test_a_huge_body_is_rejected(head):
    sent = []

    def pour(conversation):
        conversation.send(head)
        for _ in range(1000):
            conversation.send(b" " * 65_536)
            sent.append(1)

    with serving(pour) as server, pytest.raises(CerbyError):
        read_person(client(server.url, Limits(body=100_000, pauses=())))
    assert len(sent) < 400  # only as much as fits into socket buffers


def test_a_huge_chunked_body_is_rejected():
    body = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b" " * 0xFFFF + b"\r\n"
    with serving(lambda conversation: conversation.send(body * 3)) as server, pytest.raises(CerbyInDoubt):
        read_person(client(server.url))


@pytest.mark.parametrize(
    ("status", "read", "largest"),
    [
        (200, read_person, LARGEST_RESOURCE),
        (200, lambda cerby: list(cerby.people()), LARGEST_PAGE),
        (403, read_person, LARGEST_REFUSAL),
    ],
    ids=["one", "a page", "a refusal"],
)
def test_a_body_is_limited_by_its_kind(status, read, largest):
    answer = http(status, b'{"data": [' + b" " * largest + b"]}")
    with serving(answer) as server, pytest.raises(CerbyError) as error:
        read(client(server.url, Limits()))
    assert "too long" in error.value.sentence or status == 403


def test_a_redirect_is_not_followed():
    with serving(data(user())) as elsewhere:
        with (
            serving(http(302, Location=f"{elsewhere.url}/api/v1/users/{OWNER_ID}")) as server,
            pytest.raises(CerbyError, match="redirect"),
        ):
            read_person(client(server.url))
        assert len(server.requests) == 1
    assert elsewhere.connections == 0


def test_proxies_and_passwords_of_the_environment_are_ignored(monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(data(user())) as server:
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get(server.url, timeout=1)  # requests itself does use the environment
        read_person(client(server.url))
        assert server.header("Authorization") is None
        with pytest.raises(CerbyInDoubt):
            client(server.url).save_secret(title="T", body="B", vault_id=None)
    assert len(server.requests) == 2


def test_cookies_are_not_stored():
    with serving(KeepAlive(data(user(), Set_Cookie="session=1; Path=/"))) as server:
        cerby = client(server.url)
        read_person(cerby)
        read_person(cerby)
    assert server.header("Cookie") is None


@in_one_test(
    "url",
    [
        "",
        "cerby.com",
        "ftp://cerby.com",
        "http://my-workspace.cerby.com",
        "http://127.0.0.1.example",
        "https://",
        "https://a:b@cerby.com",
        "https://cerby.com?x=1",
    ],
)
def test_an_unusable_address_is_rejected(url):
    with pytest.raises(ValueError, match="CERBY_BASE_URL"):
        client(url)


@pytest.mark.parametrize(
    "url", ["https://my-workspace.cerby.com/", "http://localhost:1", "http://127.9.9.9:1", "http://[::1]:1"]
)
def test_a_usable_address_is_accepted(url):
    assert client(url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Create a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(
        key.private_bytes(*plain)
        + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_an_untrusted_certificate_prevents_a_write(tls):
    with serving(data(user()), tls=tls) as server, pytest.raises(CerbyNeverReached):
        client(f"https://127.0.0.1:{server.port}").save_secret(title="T", body="B", vault_id=None)
    assert server.requests == []


def test_answers_over_tls_have_a_time_limit_too(tls, certificate):
    slow = DRIPPING["headers"]
    page = KeepAlive(listing([]))
    with serving(page, page, lambda conversation: conversation.drip(slow, 0.02), tls=tls) as server:
        cerby = client(f"https://127.0.0.1:{server.port}")
        cerby._exchange._pooled.verify = str(certificate)
        assert list(cerby.people()) == []
        assert list(cerby.people()) == []
        assert server.connections == 1
        begun = time.monotonic()
        with pytest.raises(CerbyInDoubt):
            read_person(cerby)
        assert time.monotonic() - begun < 5
