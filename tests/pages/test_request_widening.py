"""Test that a scope that needs approval is added to a key only as it was approved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys.actions.keys.rescope import rescope_key
from keys.evidence.request_rows import changed_requests
from keys.models import AccessRequest, ApiKey
from keys.rules.errors import NeedsApproval
from keys.rules.permissions import Role
from keys.rules.policy.tiers import Tier
from tests.cast import a_live_key, actor
from tests.pages.helpers import events, messages_of, rows, text
from tests.pages.test_request import approve, only, strict
from tests.support.policies import enforced, everywhere, in_force

__all__ = ["strict"]
SCOPE = "write:users"
TODAY = timezone.now().date()


@pytest.fixture
def key(cast, sandbox) -> ApiKey:
    return a_live_key(sandbox, cast.admin, name="Export")[0]


def turn_on(browser, key, scope: str = SCOPE, **more: str):
    return browser.post(f"/keys/{key.pk}/rescope/", {"scope": scope, "on": "true", **more})


def asked(browser, key, **more: str) -> str:
    response = turn_on(browser, key, reason="The sync needs it.", **more)
    assert response.status_code == 302, text(response)
    return response["Location"]


def add(browser, address: str) -> str:
    """Press "Add the scope", and return the messages."""
    return messages_of(browser.get(browser.post(f"{address}use/")["Location"]))


def scopes(key: ApiKey) -> list[str]:
    return ApiKey.objects.get(pk=key.pk).scopes


def test_a_scope_that_needs_approval_is_added_by_the_requester_exactly_as_approved(
    browser_of, cast, strict, key
):
    admin, owner = browser_of("admin"), browser_of("owner")
    question = text(admin.get(f"/keys/{key.pk}/rescope/", {"scope": SCOPE}))
    assert "Another person must approve this" in question
    assert "Ask for approval" in question
    assert "Another person must approve this" in text(turn_on(admin, key))
    part = turn_on(admin, key, reason=" ")
    assert part.status_code == 422
    assert "The reason is missing" in text(part)
    assert scopes(key) == ["read:users"]

    address = asked(admin, key)
    assert scopes(key) == ["read:users"]
    assert only().act["scopes"] == ["read:users"]
    assert "waits for approval already" in text(turn_on(admin, key, reason="Again."))
    assert "asks for your approval: add the scope “Write users” to the API key “Export”." in text(
        owner.get("/inbox/")
    )
    assert [row["Request"] for row in rows(owner.get("/requests/"))] == [
        "Add the scope “Write users” to the API key “Export” The sync needs it."
    ]
    page = text(owner.get(address))
    for said in (
        "Add “Write users” to “Export”",
        "What the key would reach",
        "Every program that has the key",
    ):
        assert said in page
    assert "asks to add the scope “Write users” to the API key “Export”" in " ".join(
        text(owner.get("/activity/")).replace(":", "").split()
    ).replace("Asks to", "asks to")
    assert "was used already, or is not valid" in add(admin, address)
    assert approve(admin, address).status_code == 403
    assert "can add the scope within 24 hours" in messages_of(owner.get(approve(owner, address)["Location"]))

    assert "Add the scope" in text(admin.get(address))
    assert "Add the scope" not in text(owner.get(address))
    assert owner.post(f"{address}use/").status_code == 403
    assert "Saved" in add(admin, address)
    assert "Saved" in add(admin, address), "a double click"
    assert scopes(key) == ["read:users", SCOPE]
    assert only().state == "used"
    assert len(events(type="key:rescope")) == 1
    [used] = events(type="request:use")
    [started] = events(type="key:start-rescope")
    assert started.details["request"] == used.details["request"] == str(only().pk)
    assert started.details["digest"] == used.details["digest"] == only().digest
    assert list(changed_requests()) == []
    admin.post(f"/keys/{key.pk}/rescope/", {"scope": SCOPE, "on": "false"})
    assert "was used already" in add(admin, address), "an approval serves one act"
    assert scopes(key) == ["read:users"]


def test_no_approval_is_asked_if_the_wider_key_needs_none(browser_of, cast, key):
    in_force(cast.owner, enforced(APPROVALS={"tiers": {**dict.fromkeys(Tier, 0), Tier.HIGH: 1}, "agent": 0}))
    admin = browser_of("admin")
    assert turn_on(admin, key, "read:teams").status_code == 302
    assert set(scopes(key)) == {"read:teams", "read:users"}
    assert "Another person must approve this" in text(turn_on(admin, key))
    assert turn_on(admin, key, "read:teams", on="false").status_code == 302, "less needs none"


def test_no_code_path_adds_the_scope_without_its_approval(cast, strict, key, workspace):
    with pytest.raises(NeedsApproval):
        rescope_key(actor(cast.admin), key.pk, SCOPE, on=True)
    assert scopes(key) == ["read:users"]
    assert not events(type="key:start-rescope")


def changed_scopes(key, cast):
    ApiKey.objects.filter(pk=key.pk).update(scopes=["read:teams", "read:users"])


def stricter_policy(key, cast):
    in_force(cast.owner, enforced(APPROVALS=everywhere(2)), number=2)


def higher_owner(key, cast):
    AccessRequest.objects.update(least_role=Role.USER)  # as if the owner's role had been lower


@pytest.mark.parametrize("change", [changed_scopes, stricter_policy, higher_owner])
def test_an_approval_is_out_of_date_if_something_has_changed(browser_of, cast, strict, key, change):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin, key)
    approve(owner, address)
    change(key, cast)
    before = scopes(key)
    assert "Out of date" in text(admin.get(address))
    assert "Ask for approval again" in add(admin, address)
    assert only().state == "stale"
    assert len(events(type="request:go-stale")) == 1
    assert scopes(key) == before
    assert not events(type="key:start-rescope")


def test_if_cerby_refuses_the_approval_can_be_used_again(browser_of, cast, strict, key, workspace):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin, key)
    approve(owner, address)
    workspace.sandbox.faults.set([{"route": "PATCH /api/v1/api-keys/*", "fault": "422", "count": 1}])
    assert "Saved" not in add(admin, address)
    workspace.sandbox.faults.set([])
    assert scopes(key) == ["read:users"]
    assert "Add the scope" in text(admin.get(address))
    assert "Saved" in add(admin, address)
    assert scopes(key) == ["read:users", SCOPE]
    assert len(events(type="request:use")) == 2


def test_the_owner_of_the_key_does_not_decide(browser_of, cast, strict, sandbox):
    key, _ = a_live_key(sandbox, cast.super_admin)
    owner, super_admin, admin = browser_of("owner"), browser_of("super_admin"), browser_of("admin")
    assert turn_on(admin, key, reason="Mine.").status_code in {403, 404}
    address = asked(owner, key)
    assert approve(super_admin, address).status_code == 403
    assert approve(admin, address).status_code == 403
    assert not only().verdicts.exists()


def test_in_an_emergency_the_scope_is_added_at_once_even_in_a_freeze(browser_of, cast, key):
    frozen: Any = {"entries": (f"{TODAY - timedelta(days=2)} to {TODAY + timedelta(days=2)}",)}
    in_force(cast.owner, enforced(APPROVALS=everywhere(1), FREEZE=frozen))
    owner, admin = browser_of("owner"), browser_of("admin")
    assert turn_on(admin, key, reason="Now.", ticket="INC-7", alone="yes").status_code in {403, 422}
    assert "No key gets more scopes" in text(turn_on(owner, key, reason="Now."))
    in_force(cast.owner, enforced(APPROVALS=everywhere(1)), number=2)
    waiting = asked(owner, key)
    in_force(cast.owner, enforced(APPROVALS=everywhere(1), FREEZE=frozen), number=3)
    address = asked(owner, key, ticket="INC-7", alone="yes")
    assert "went on without approval" in text(admin.get("/inbox/"))
    assert "Saved" in add(owner, address)
    assert scopes(key) == ["read:users", SCOPE]
    assert owner.post(f"{address}review/", {"reason": "Fine."}).status_code == 403
    admin.post(f"{address}review/", {"reason": "It was needed."})
    assert AccessRequest.objects.get(ticket="INC-7").reviewed_by == cast.admin
    assert "Out of date" in text(admin.get(waiting))
