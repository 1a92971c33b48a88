"""Prove keys against an imitation of the published API and against servers that are not Cerby."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from keys import cerby
from keys.actions.keys.prove import prove
from keys.models import CredentialRefusal
from keys.rules.errors import (
    CerbyError,
    CerbyInDoubt,
    Invalid,
)
from tests.cast import actor
from tests.cerby.conftest import user_of
from tests.support import bad_server
from tests.support.bad_server import KeepAlive, http

HTML = "<!doctype html><title>Sign in</title>"
EMPTY = json.dumps({"data": [], "links": {"next": None}, "meta": {"page": {"maxSize": 100, "total": 0}}})


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (200, HTML, "text/html; charset=utf-8", "a web page"),
        (401, HTML, "text/html", "a web page"),
        (404, HTML, "text/html", "a web page"),
        *((status, HTML, "application/json", "a web page") for status in (200, 401, 403, 404)),
        (401, f"\ufeff\n{HTML}", "", "a web page"),
        (403, "", "application/json", "status 403 does not have Cerby's published shape"),
        (403, '{"message": "Forbidden"}', "application/json", "status 403 does not have Cerby's"),
        (200, "", "application/json", "does not have the published shape"),
        (200, "[]", "application/json", "does not have the published shape"),
        (200, '{"errors": [{"code": "x"}]}', "application/json", "does not have the published shape"),
        (200, "", "text/plain", "not JSON"),
        (200, "{}", "application/json", "does not have the published shape"),
        (200, '{"data": []}', "application/json", "does not have the published shape"),
        (200, EMPTY.replace("[]", '[{"key": 1}]'), "application/json", "does not have the published shape"),
    ],
)
def test_only_lists_in_the_published_shape_count_as_access(  # noqa: PLR0917
    settings, ada, status, body, kind, said
):
    with bad_server.serving(KeepAlive(http(status, body, Content_Type=kind))) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(CerbyError, match=said):
            prove(actor(ada), "some-random-text-0123456789", ["read:users"], accept_less=True)


@pytest.mark.parametrize("status", [200, 401, 403, 404])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_web_page_is_neither_an_answer_nor_a_refusal_of_the_portals_key(settings, db, status, kind):
    with bad_server.serving(KeepAlive(http(status, HTML, Content_Type=kind))) as server:
        settings.CERBY_BASE_URL = server.url
        settings.CERBY_TOKEN, settings.CERBY_API_KEY = "", "k"
        client = cerby.connect()
        for ask in (
            lambda: list(client.people()),
            lambda: client.person(uuid.uuid4()),
            lambda: client.save_secret(title="T", body="b", vault_id=uuid.uuid4()),
        ):
            with pytest.raises(CerbyInDoubt, match=f"a web page \\(status {status}\\) came back"):
                ask()
    assert not CredentialRefusal.objects.exists()


def test_an_empty_list_is_access(settings):
    with bad_server.serving(KeepAlive(http(200, EMPTY, Content_Type="application/json"))) as server:
        settings.CERBY_BASE_URL = server.url
        assert set(cerby.probe_key("some-random-text-0123456789").values()) == {cerby.Access.OPEN}


@pytest.mark.parametrize(
    ("who", "scopes", "asked", "field", "said"),
    [
        (None, [], ["read:users"], "api_key", "answered 401 to every request"),
        ("una.user", ["read:users"], ["read:users"], "accept_less", "answered 403 .* users"),
        ("ada.admin", ["read:activities"], ["read:activities"], "accept_less", "answered 401 to every"),
    ],
)
def test_401_and_403_are_told_apart(  # noqa: PLR0917
    published, ada, who, scopes, asked, field, said
):
    plain = "cerby-unknown-0123456789abcdef"
    if who:
        plain = published.add_key(user_of(published, f"{who}@acme.example")["id"], *scopes)
    with pytest.raises(Invalid) as caught:
        prove(actor(ada), plain, asked, accept_less=False)
    [(name, sentence)] = caught.value.fields.items()
    assert name == field
    assert re.search(said, sentence)


def test_404_everywhere_means_a_wrong_address(published, ada, settings):
    settings.CERBY_BASE_URL = f"{published.url}/elsewhere"
    with pytest.raises(Invalid) as caught:
        prove(actor(ada), "cerby-unknown-0123456789abcdef", ["read:users"], accept_less=False)
    assert "404 to every request" in caught.value.fields["api_key"]
    assert "CERBY_BASE_URL" in caught.value.fields["api_key"]


def test_a_key_with_exactly_the_requested_scopes_is_proved(published, ada):
    plain = published.add_key(str(ada.cerby_id), "read:users", "read:items:secrets")
    proved = prove(actor(ada), plain, ["read:users", "read:items:secrets"], accept_less=False)
    assert proved.verdict.granted == ["read:items:secrets", "read:users"]
