"""Save keys in an imitation of the published API, and share them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from keys import cerby
from keys.actions.keys import save_in_cerby as saving
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.audit import log
from keys.cerby import wire
from keys.models import ApiKey, AuditEvent
from keys.rules.errors import (
    CerbyInDoubt,
    CerbyNeverReached,
    CerbyRefused,
    Conflict,
    Invalid,
)
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.selectors.health.alert_kinds import AlertKind
from tests.cast import a_key, actor, said_by, signed_in
from tests.cerby.conftest import PLAIN, SCOPES, alerts, user_of
from tests.support.published_cerby import Cerby


def stored_events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(type="key:store").order_by("id"))


def test_only_enabled_cloud_vaults_are_offered(vault):
    assert [one.name for one in cerby.connect().vaults()] == ["Automation"]


def test_an_unreadable_vault_is_an_alert_until_the_list_is_whole_again(published, vault):
    published.vaults[0]["attributes"]["name"] = 7
    for _ in range(2):
        assert [one.name for one in cerby.connect().vaults()] == ["Automation"]
    assert "“name” of a vault cannot be read in one resource" in alerts()[AlertKind.VALUE_UNREADABLE]
    published.vaults[0]["attributes"]["name"] = "Old"
    cerby.connect().vaults()
    assert AlertKind.VALUE_UNREADABLE not in alerts()


def test_a_saved_key_is_shared_with_the_person_who_owns_it(published, vault, claimed, ada):
    saved = save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert saved.sentence == "in the vault “Automation”, and shared with you as an owner of the secret."
    [secret] = published.secrets
    assert secret["attributes"]["title"] == "Nightly"
    assert published.values[secret["id"]] == PLAIN
    assert secret["attributes"]["expiresAt"] == f"{claimed.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert {(one["id"], one["attributes"]["role"]) for one in published.members[secret["id"]]} == {
        (user_of(published, "olivia.owner@acme.example")["id"], "secret_owner"),
        (str(ada.cerby_id), "secret_owner"),
    }
    claimed.refresh_from_db()
    assert (claimed.state, claimed.stored_in) == (State.HELD, "Automation")
    [event] = stored_events()
    assert said_by(event) == {
        "how": "saved in Cerby",
        "vault": "Automation",
        "secret_id": secret["id"],
        "shared": "yes",
    }


def test_a_secret_does_not_expire_if_its_key_already_has(published, vault, claimed, ada):
    ApiKey.objects.filter(pk=claimed.pk).update(expires_at=timezone.now())
    save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert [secret["attributes"]["expiresAt"] for secret in published.secrets] == [None]


@pytest.mark.parametrize("offset", [0, 1], ids=["disabled", "local"])
def test_a_vault_that_takes_no_secrets_is_refused_before_anything_is_sent(
    published, vault, claimed, ada, offset
):
    wrong = uuid.UUID(published.vaults[offset]["id"])
    with pytest.raises(Invalid):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=wrong)
    assert published.secrets == []


def test_if_sharing_fails_the_save_counts_and_people_learn_who_can_open_the_secret(
    published, vault, claimed, ada
):
    published.refuse_members = True
    browser = signed_in(ada)
    body = {"secret": PLAIN, "vault": str(vault)}
    path = f"/keys/{claimed.pk}/store/save/"
    answer = browser.post(path, body, content_type="application/json", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    page = browser.get("/keys/").content.decode()
    [event] = stored_events()
    for told in (page, event.reason):
        assert "could not be shared with the key" in told
        assert "only the owner of the portal" in told
        assert "Ask them to open it in Cerby" in told
    assert (event.outcome, said_by(event)["shared"]) == ("done", "no")
    claimed.refresh_from_db()
    assert claimed.state == State.HELD


class Losing:
    """Lose Cerby's answers to POST /secrets, after or before it made the secret, as often as told."""

    def __init__(self, published: Cerby, monkeypatch: pytest.MonkeyPatch, *, made: bool, listed: bool = True):
        usual = published.answer
        self.left, self.listed = 1, listed

        def answer(method, target, key, body):
            if method == "GET" and target.startswith("/api/v1/secrets?") and not self.listed:
                return 500, {"errors": []}
            if method == "POST" and target == "/api/v1/secrets" and self.left:
                self.left -= 1
                if made:
                    usual(method, target, key, body)
                return 502, {"errors": []}
            return usual(method, target, key, body)

        monkeypatch.setattr(published, "answer", answer)


def test_a_lost_answer_is_found_again_by_title(published, vault, claimed, ada, monkeypatch):
    Losing(published, monkeypatch, made=True)
    assert not save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault).not_shared
    assert len(published.secrets) == 1
    assert len(published.members[published.secrets[0]["id"]]) == 2


def test_a_lost_answer_without_a_secret_is_doubtful_and_can_be_retried(
    published, vault, claimed, ada, monkeypatch
):
    Losing(published, monkeypatch, made=False)
    with pytest.raises(CerbyInDoubt):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    [event] = stored_events()
    assert event.outcome == "failed"
    assert "Look in the vault “Automation”" in event.reason
    save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert len(published.secrets) == 1


def test_a_retry_finds_what_a_lost_attempt_made(published, vault, claimed, ada, monkeypatch):
    lost = Losing(published, monkeypatch, made=True, listed=False)
    with pytest.raises(CerbyInDoubt):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert (lost.left, len(published.secrets)) == (0, 1)
    lost.listed = True
    save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert len(published.secrets) == 1
    assert stored_events()[-1].outcome == "done"


@pytest.mark.parametrize("why", ["older", "of another key"])
def test_another_secret_of_that_title_is_not_taken_for_the_lost_one(  # noqa: PLR0917
    published, vault, claimed, ada, monkeypatch, why
):
    owner = user_of(published, "olivia.owner@acme.example")
    published._make_secret(wire.secret_request(title="Nightly", body="another", vault_id=vault), owner)
    if why == "older":
        published.secrets[0]["attributes"]["createdAt"] = "2024-01-04T15:36:54"
    else:
        former = a_key(ada, name="Nightly", state=State.REVOKED, removed_at=timezone.now())
        log.append(Event.KEY_SAVE_STARTED, actor=None, key=former, vault="Automation")
    Losing(published, monkeypatch, made=False)
    with pytest.raises(CerbyInDoubt):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)


def test_a_save_that_is_under_way_is_not_repeated(published, vault, claimed, ada):
    log.append(Event.KEY_SAVE_STARTED, actor=None, key=claimed, vault="Automation")
    with pytest.raises(Conflict, match="being saved"):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert published.secrets == []


def test_without_write_secrets_nothing_is_saved_and_the_page_says_so(
    published, vault, claimed, ada, settings
):
    owner = user_of(published, "olivia.owner@acme.example")
    settings.CERBY_API_KEY = published.add_key(owner["id"], "read:users", "read:vaults", "read:items:secrets")
    with pytest.raises(CerbyRefused, match="lacks a scope"):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert stored_events()[0].outcome == "failed"


@pytest.fixture
def earlier(claimed, monkeypatch):
    """Record a save that started 100 seconds ago and never ended. ``pass_time`` lets time pass."""
    real, passed = timezone.now, timedelta()

    def pass_time(by: timedelta) -> None:
        nonlocal passed
        passed += by

    monkeypatch.setattr(timezone, "now", lambda: real() + passed)
    log.append(Event.KEY_SAVE_STARTED, actor=None, key=claimed, vault="Automation")
    pass_time(timedelta(seconds=100))
    return pass_time


def after_listing(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Call ``then`` between the look at Cerby's secrets and the request that makes one."""
    usual = saving._made_after_all

    def look(*asked):
        found = usual(*asked)
        then()
        return found

    monkeypatch.setattr(saving, "_made_after_all", look)


def test_a_save_that_took_too_long_makes_no_secret(  # noqa: PLR0917
    published, vault, claimed, ada, monkeypatch, earlier
):
    """Another save may have started meanwhile, and looked for this one's secret before it was made."""
    after_listing(monkeypatch, lambda: earlier(timedelta(seconds=61)))
    with pytest.raises(CerbyNeverReached, match="nothing was saved"):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert published.secrets == []
    assert stored_events()[-1].outcome == "failed"


def test_the_end_of_an_overtaken_save_does_not_end_the_other_one(  # noqa: PLR0917
    published, vault, claimed, ada, monkeypatch, earlier
):
    def overtake() -> None:
        earlier(timedelta(seconds=95))
        log.append(Event.KEY_SAVE_STARTED, actor=None, key=claimed, vault="Automation")

    after_listing(monkeypatch, overtake)
    with pytest.raises(CerbyNeverReached):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    with pytest.raises(Conflict, match="being saved"):
        save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    assert published.secrets == []


def test_sharing_with_the_owner_of_the_portals_own_key_is_no_failure(
    published, vault, claimed, ada, settings
):
    """They are an owner of the secret already. Cerby does not publish how it refuses to add them again."""
    settings.CERBY_API_KEY = published.add_key(str(ada.cerby_id), *SCOPES)
    published.refuse_members = True
    assert not save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault).not_shared
