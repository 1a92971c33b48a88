"""Change a key's scopes while Cerby's answer is lost or contradicts the request."""

from __future__ import annotations

from typing import Any

import pytest

from keys.actions.keys.rescope import rescope_key
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, ScopeChange
from keys.rules.errors import CerbyError, CerbyInDoubt, CerbyRefused, Conflict
from keys.rules.lifecycle import State
from keys.rules.scopes import in_order
from tests.cast import a_key, a_live_key, actor
from tests.support.background import asked
from tests.support.bad_server import data, listed_key, refusal, serving

ADDED = "read:integrations"
BEFORE, WANTED = ["read:users"], ["read:users", ADDED]


@pytest.fixture
def key(cast: Any) -> ApiKey:
    return a_key(cast.admin, scopes=BEFORE)


def events() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("id").values_list("type", "outcome"))


def says(key: ApiKey, scopes: list[str]) -> bytes:
    return data(listed_key(str(key.cerby_id), scopes=scopes))


def test_a_lost_answer_counts_as_done_if_cerby_has_the_new_scopes(cast, key, settings):
    with serving(says(key, BEFORE), refusal(502, "Oh."), says(key, WANTED)) as server:
        settings.CERBY_BASE_URL = server.url
        assert rescope_key(actor(cast.admin), key.id, ADDED, on=True).scopes == WANTED
    assert [line.split()[0] for line in server.lines()] == ["GET", "PATCH", "GET"]
    assert ApiKey.objects.get(pk=key.pk).scopes == WANTED
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "done")]


def test_a_lost_answer_is_an_error_if_cerby_has_the_old_scopes(cast, key, settings):
    with serving(says(key, BEFORE), refusal(502, "Oh."), says(key, BEFORE)) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(CerbyInDoubt):
            rescope_key(actor(cast.admin), key.id, ADDED, on=True)
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
    with serving(says(key, BEFORE), *script) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(error):
            rescope_key(actor(cast.admin), key.id, ADDED, on=True)
    assert ApiKey.objects.get(pk=key.pk).scopes == BEFORE
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "failed")]
    assert AuditEvent.objects.latest("id").reason


@pytest.mark.parametrize("state", [State.REVOKING, State.IN_DOUBT, State.REFUSED])
def test_only_an_active_keys_scopes_are_changed(cast, settings, state):
    key = a_key(cast.admin, scopes=BEFORE, state=state)
    with serving(says(key, WANTED)) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(Conflict):
            rescope_key(actor(cast.admin), key.id, ADDED, on=True)
    assert server.lines() == []


def test_the_same_scopes_cause_no_call(cast, key, settings):
    with serving(says(key, BEFORE)) as server:
        settings.CERBY_BASE_URL = server.url
        assert rescope_key(actor(cast.admin), key.id, BEFORE[0], on=True).scopes == BEFORE
    assert server.lines() == []
    assert events() == []


@pytest.mark.parametrize("first", ["another set", "lost"])
def test_other_scopes_than_requested_are_stored_and_reported(cast, key, settings, first):
    shown = says(key, ["read:teams"])
    answer = shown if first == "another set" else refusal(502, "Oh.")
    with serving(says(key, BEFORE), answer, shown) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(CerbyInDoubt, match="According to Cerby, the key has: Read teams"):
            rescope_key(actor(cast.admin), key.id, ADDED, on=True)
    assert ApiKey.objects.get(pk=key.pk).scopes == ["read:teams"]
    assert events()[1:] == [("key:rescope", "failed"), ("key:change", "done")]
    assert AuditEvent.objects.latest("id").details["after"] == {"scopes": ["read:teams"]}


@pytest.fixture
def lost(cast, sandbox, settings):
    """Create a key for which Cerby applied a change without an answer, and without answering a second question."""
    key, _ = a_live_key(sandbox, cast.admin, scopes=BEFORE)
    url = settings.CERBY_BASE_URL
    with serving(says(key, BEFORE), refusal(502, "Oh."), refusal(404, "Who?")) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(CerbyInDoubt):
            rescope_key(actor(cast.admin), key.id, ADDED, on=True)
    settings.CERBY_BASE_URL = url
    sandbox.change_key(str(key.cerby_id), scopes=WANTED)
    return key


def test_the_sweep_names_the_person_whose_answer_was_lost(cast, lost):
    assert sweep().changed == 1
    event = AuditEvent.objects.latest("id")
    assert (event.type, event.actor_id) == ("key:rescope", cast.admin.pk)
    assert event.details == {"before": BEFORE, "after": WANTED}
    assert ApiKey.objects.get(pk=lost.pk).scopes == WANTED
    assert not ScopeChange.objects.exists()


def test_a_person_who_did_not_ask_for_the_change_is_not_blamed(cast, lost):
    ScopeChange.objects.update(actor=cast.owner)  # by somebody with the database
    assert sweep().changed == 1
    event = AuditEvent.objects.latest("id")
    assert (event.type, event.actor_id) == ("key:change", None)


def test_the_next_change_starts_from_the_scopes_that_cerby_has(cast, lost):
    rescope_key(actor(cast.owner), lost.id, "read:users", on=False)
    assert ApiKey.objects.get(pk=lost.pk).scopes == [ADDED]
    named = AuditEvent.objects.order_by("id").values_list("type", "outcome", "actor_id")
    assert list(named)[-3:] == [
        ("key:rescope", "done", cast.admin.pk),
        ("key:start-rescope", "done", cast.owner.pk),
        ("key:rescope", "done", cast.owner.pk),
    ]


def test_other_scopes_are_a_change_in_cerby(lost, sandbox):
    sandbox.change_key(str(lost.cerby_id), scopes=["read:teams"])
    sweep()
    assert AuditEvent.objects.latest("id").type == "key:change"


def test_a_change_in_cerby_is_not_overwritten(cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=BEFORE)
    sandbox.change_key(str(key.cerby_id), scopes=["read:teams"])
    with pytest.raises(Conflict, match="other scopes in Cerby than in the inventory: Read teams"):
        rescope_key(actor(cast.admin), key.id, ADDED, on=True)
    assert asked(sandbox, "PATCH") == []
    assert ApiKey.objects.get(pk=key.pk).scopes == ["read:teams"]
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "failed"), ("key:change", "done")]
    assert AuditEvent.objects.latest("id").details["before"] == {"scopes": BEFORE}
    assert not ScopeChange.objects.exists()
    assert rescope_key(actor(cast.admin), key.id, ADDED, on=True).scopes == in_order(["read:teams", ADDED])


@pytest.mark.parametrize("answer", [refusal(502, "Oh."), refusal(404, "Who?")])
def test_without_cerbys_present_scopes_nothing_is_sent(cast, key, settings, answer):
    with serving(answer) as server:
        settings.CERBY_BASE_URL = server.url
        with pytest.raises(CerbyError):
            rescope_key(actor(cast.admin), key.id, ADDED, on=True)
    assert not any(line.startswith("PATCH") for line in server.lines())
    assert events() == [("key:start-rescope", "done"), ("key:rescope", "failed")]
    assert not ScopeChange.objects.exists()
