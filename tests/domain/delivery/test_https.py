"""Deliveries over HTTPS go only to public addresses, and to the address that was checked."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from keys.delivery import https
from keys.delivery.https import NotDelivered
from tests.support import tls
from tests.support.cases import in_one_test
from tests.support.tls import NAME


@pytest.fixture
def hook(tmp_path, monkeypatch):
    pem = tls.certificate(tmp_path)
    tls.trust(pem, monkeypatch)
    with tls.serving(pem) as hook:
        yield hook


@pytest.fixture
def names(monkeypatch):
    """Return the name server's answers by name. Each lookup consumes the next one."""
    answers: dict[str, list[list[str]]] = {}
    usual = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> list[tuple]:
        if host not in answers:
            return usual(host, port, *rest, **more)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        if not found:
            raise socket.gaierror("unknown")
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


def post(url: str, body: bytes = b"body", **how: Any) -> None:
    https.post(url, body, content_type="text/plain", **how)


def sentence(url: str, body: bytes = b"body", **how: Any) -> str:
    with pytest.raises(NotDelivered) as caught:
        post(url, body, **how)
    return caught.value.sentence


def test_the_request_goes_to_the_resolved_address(hook, names):
    names[NAME] = [["127.0.0.1"]]
    post(f"https://{NAME}:{hook.port}/path?token=x", private=True)
    assert hook.taken == [("/path?token=x", f"{NAME}:{hook.port}", b"body")]


def test_the_name_is_looked_up_once(hook, names):
    """DNS rebinding has no effect: a second lookup would return another address, but there is none."""
    names[NAME] = [["127.0.0.1"], ["127.0.0.99"]]
    post(f"https://{NAME}:{hook.port}/", private=True)
    assert len(hook.taken) == 1
    assert names[NAME] == [["127.0.0.99"]]


INNER = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    "64:ff9b:1::909:909", "64:ff9b:1:ffff::1", "::9.9.9.9", "::127.0.0.1", "fec0::1", "feff::1", "3fff::1",
    "3fff:fff::1", "5f00::1", "64:ff9b::10.0.0.1", "64:ff9b::192.168.1.1", "2002:0a00:1::1", "2002:c0a8:101::",
    "2001::1", "2001:0:909:909::1", "2001:10::1", "2001:20::1", "2001:2::1", "100::1", "100:0:0:1::1", "192.0.0.1",
    "192.0.0.9", "192.0.0.170", "198.18.0.1", "198.19.255.255", "240.0.0.1", "255.255.255.254", "239.255.255.250",
    "0.1.2.3", "192.88.99.1", "198.51.100.1", "203.0.113.1", "100.127.255.255", "172.31.255.255", "fdff::1",
    "febf::1", "ff0e::1", "::ffff:0:9.9.9.9", "::ffff:169.254.169.254", "4000::1",
    "fe80::1%eth0", "2620:fe::fe%1", "192.175.48.1", "192.31.196.1", "192.52.193.1", "2620:4f:8000::1",
]  # fmt: skip


@in_one_test("address", INNER)
def test_an_address_that_is_not_public_is_refused(hook, names, address):
    names[NAME] = [[address]]
    said = sentence(f"https://{NAME}:{hook.port}/")
    assert said.startswith(f"{NAME} has the address ")
    assert said.endswith("which is not public.")
    assert hook.taken == []


def test_one_private_address_among_public_ones_is_refused(names):
    names[NAME] = [["198.51.100.1", "9.9.9.9", "127.0.0.1"]]
    assert "not public" in sentence(f"https://{NAME}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost"])
def test_every_spelling_of_an_address_is_checked(hook, host):
    assert "not public" in sentence(f"https://{host}:{hook.port}/")
    assert hook.taken == []


@in_one_test(
    "address",
    [
        "9.9.9.9",
        "2620:fe::fe",
        "::ffff:9.9.9.9",
        "2002:909:909::",
        "64:ff9b::909:909",
        "100.128.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.20.0.1",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860::1",
        "2400::1",
        "3ffe::1",
        "1.1.1.1",
    ],
)
def test_public_addresses_are_public(address):
    assert https._is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url", ["http://hooks.example/", "ftp://hooks.example/", "https:///path", "file:///etc/passwd"]
)
def test_only_https_is_allowed(url):
    assert sentence(url) == "The address is not an HTTPS URL."


def test_a_redirect_is_not_followed(hook, names):
    names[NAME] = [["127.0.0.1"]]
    hook.status, hook.location = 307, f"https://{NAME}:{hook.port}/elsewhere"
    assert sentence(f"https://{NAME}:{hook.port}/", private=True) == f"{NAME} answered 307."
    assert [path for path, _, _ in hook.taken] == ["/"]


def test_a_certificate_of_another_name_is_refused(hook, names):
    names["other.example"] = [["127.0.0.1"]]
    assert (
        sentence(f"https://other.example:{hook.port}/", private=True)
        == "The certificate of other.example is not trusted: "
        "Hostname mismatch, certificate is not valid for 'other.example'."
    )
    assert hook.taken == []


def test_a_self_signed_certificate_is_refused(hook, names, monkeypatch, tmp_path):
    (tmp_path / "other").mkdir()
    tls.trust(tls.certificate(tmp_path / "other"), monkeypatch)
    names[NAME] = [["127.0.0.1"]]
    said = sentence(f"https://{NAME}:{hook.port}/", private=True)
    assert said == f"The certificate of {NAME} is not trusted: self-signed certificate."


def test_proxies_from_the_environment_are_ignored(hook, names, monkeypatch):
    names[NAME] = [["127.0.0.1"]]
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    post(f"https://{NAME}:{hook.port}/", private=True)
    assert len(hook.taken) == 1


def test_an_unknown_name_is_reported(names):
    names[NAME] = [[]]
    assert sentence(f"https://{NAME}/") == f"The name {NAME} is not known."


def test_a_closed_port_is_reported(names):
    names[NAME] = [["127.0.0.1"]]
    assert sentence(f"https://{NAME}:9/", private=True) == f"{NAME} did not accept the data: ConnectionError."


def drips_its_headers(sock: ssl.SSLSocket, over: threading.Event) -> None:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 204 No Content\r\nX-Slow: ")
    while not over.wait(0.1):
        sock.sendall(b"x")


def reads_a_little(sock: ssl.SSLSocket, over: threading.Event) -> None:
    while not over.wait(0.1):
        sock.recv(65536)


@pytest.mark.parametrize(("behave", "length"), [(drips_its_headers, 4), (reads_a_little, 20_000_000)])
def test_a_slow_server_cannot_exceed_the_deadline(names, monkeypatch, tmp_path, behave, length):
    pem = tls.certificate(tmp_path)
    tls.trust(pem, monkeypatch)
    monkeypatch.setattr(https, "TOTAL", 1.0)
    names[NAME] = [["127.0.0.1"]]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError), context.wrap_socket(listener.accept()[0], server_side=True) as sock:
            behave(sock, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        began = time.monotonic()
        said = sentence(f"https://{NAME}:{listener.getsockname()[1]}/", b"x" * length, private=True)
        assert time.monotonic() - began < 8  # less than the timeout of one read
        assert said == f"{NAME} did not accept the data within 1 seconds."
        over.set()
        server.join()
