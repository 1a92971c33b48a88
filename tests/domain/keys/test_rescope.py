"""Change a key's scopes while Cerby's answer is lost: the portal reads the key back."""

from __future__ import annotations

from typing import Any

import pytest

from keys.actions.keys.rescope import rescope_key
from keys.models import ApiKey, AuditEvent
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyRefused, Conflict
from keys.rules.lifecycle import State
from tests.cast import a_key, actor
from tests.support.bad_server import data, listed_key, refusal, serving

BEFORE, WANTED = ["read:users"], ["read:users", "read:integrations"]


@pytest.fixture
def key(cast: Any) -> ApiKey:
    return a_key(cast.admin, scopes=BEFORE)


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("id").values_list("type", "outcome"))


def says(key: ApiKey, scopes: list[str]) -> bytes:
    return data(listed_key(str(key.cerby_id), scopes=scopes))


def test_a_lost_answer_counts_as_done_if_cerby_has_the_new_scopes(cast, key, settings):
    with serving(refusal(502, "Oh."), says(key, WANTED)) as server:
        settings.CERBY_BASE_URL = server.url
        assert rescope_key(actor(cast.admin), key.id, WANTED).scopes == WANTED
    assert [line.split()[0] for line in server.lines()] == ["PATCH", "GET"]
    assert ApiKey.objects.get(pk=key.pk).scopes == WANTED
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "done")]


@pytest.mark.parametrize("scopes", [BEFORE, ["read:integrations"]])
def test_a_lost_answer_is_an_error_if_cerby_has_the_old_scopes(cast, key, settings, scopes):
    with serving(refusal(502, "Oh."), says(key, scopes)) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(CerbyInDoubt):
            rescope_key(actor(cast.admin), key.id, WANTED)
    assert ApiKey.objects.get(pk=key.pk).scopes == BEFORE
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "failed")]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([refusal(403, "No.")], CerbyRefused),
        ([refusal(409, "It has expired.")], CerbyRefused),
        ([refusal(502, "Oh."), refusal(404, "Who?")], CerbyError),
    ],
)
def test_a_change_that_fails_is_recorded_as_failed(cast, key, settings, script, error):
    with serving(*script) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(error):
            rescope_key(actor(cast.admin), key.id, WANTED)
    assert ApiKey.objects.get(pk=key.pk).scopes == BEFORE
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "failed")]
    assert AuditEvent.objects.latest("id").reason


@pytest.mark.parametrize("state", [State.REVOKING, State.IN_DOUBT, State.REFUSED])
def test_only_an_active_keys_scopes_are_changed(cast, settings, state):
    key = a_key(cast.admin, scopes=BEFORE, state=state)
    with serving(says(key, WANTED)) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(Conflict):
            rescope_key(actor(cast.admin), key.id, WANTED)
    assert server.lines() == []


def test_the_same_scopes_cause_no_call(cast, key, settings):
    with serving(says(key, BEFORE)) as server:
        settings.CERBY_BASE_URL = server.url
        assert rescope_key(actor(cast.admin), key.id, BEFORE).scopes == BEFORE
    assert server.lines() == []
    assert events() == []
