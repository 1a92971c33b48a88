"""The keys of agents have a human sponsor, live for 30 days at most, and are stored in a vault."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.edit import Edit, edit_key
from keys.actions.keys.import_keys import import_keys
from keys.actions.keys.issue import issue_key
from keys.actions.keys.register import register_key
from keys.models import ApiKey
from keys.rules.errors import Conflict, Invalid
from keys.rules.lifecycle import State
from keys.selectors.inventory.filters import needing
from keys.validation.existing_key import Registration
from keys.validation.ownership import Ownership
from tests.cast import a_key, actor
from tests.support.asking import a_request

SPONSORED = Ownership(kind="agent", accountable="admin@contenzilla.example")
ALONE = Ownership(kind="agent")


def in_days(days: int):
    return timezone.now() + timedelta(days=days)


def found() -> set[str]:
    condition = needing("agent-outside", timezone.now())
    return set(ApiKey.objects.filter(condition.found).values_list("name", flat=True))


@pytest.mark.parametrize(
    ("ownership", "days", "field"), [(ALONE, 1, "accountable"), (SPONSORED, 31, "expiration")]
)
def test_a_new_key_of_an_agent_needs_a_sponsor_and_a_short_life(cast, workspace, ownership, days, field):
    request = a_request(ownership=ownership, expires_at=in_days(days))
    with pytest.raises(Invalid) as refused:
        issue_key(actor(cast.admin), request)
    assert set(refused.value.fields) == {field}
    assert not ApiKey.objects.exists()
    assert {call["method"] for call in workspace.sandbox.journal()} <= {"GET"}
    issue_key(actor(cast.admin), a_request(ownership=SPONSORED, expires_at=in_days(29)))
    assert ApiKey.objects.get().kind == "agent"


def test_a_registered_key_of_an_agent_needs_the_same(cast, workspace):
    def register(ownership: Ownership, days: int) -> ApiKey:
        facts = Registration("Robot", cast.user.email, "To act.", in_days(days), ("read:users",))
        return register_key(actor(cast.admin), Registration(**{**vars(facts), "ownership": ownership}))

    for ownership, days, field in ((ALONE, 1, "accountable"), (SPONSORED, 31, "expires_date")):
        with pytest.raises(Invalid) as refused:
            register(ownership, days)
        assert set(refused.value.fields) == {field}
    register(SPONSORED, 29)
    assert found() == {"Robot"}, "nobody knows where it is stored"


def test_an_import_leaves_out_no_agent_and_it_is_a_finding(cast, workspace):
    line = f"Old agent,{cast.user.email},To act.,{in_days(300):%Y-%m-%d},read:users,agent"
    import_keys(actor(cast.admin), f"name,owner,purpose,expires,scopes,kind\n{line}\n")
    assert found() == {"Old agent"}


def test_an_edit_keeps_the_rules(cast, workspace):
    by = actor(cast.admin)
    long, short = (
        a_key(cast.user, expires_at=in_days(90)),
        a_key(cast.user, stored_in="", stored_at=timezone.now()),
    )
    vaulted = a_key(cast.user, stored_in="Automation", expires_at=in_days(20))
    for key in (long, short):
        with pytest.raises(Invalid) as refused:
            edit_key(by, key.pk, Edit(SPONSORED, note=""), version=0)
        assert set(refused.value.fields) == {"kind"}
    with pytest.raises(Invalid):
        edit_key(by, vaulted.pk, Edit(ALONE, note=""), version=0)
    assert edit_key(by, vaulted.pk, Edit(SPONSORED, note=""), version=0)
    with pytest.raises(Invalid):
        edit_key(by, vaulted.pk, Edit(ALONE, note=""), version=1)
    assert edit_key(by, vaulted.pk, Edit(SPONSORED, note="Still one."), version=1)
    assert found() == set()


def test_an_old_agent_can_still_be_edited(cast, workspace):
    key = a_key(cast.user, kind="agent", expires_at=in_days(300))
    assert found() == {key.name}
    assert edit_key(actor(cast.admin), key.pk, Edit(SPONSORED, note="Old."), version=0)


def test_only_a_vault_counts_as_storage(cast):
    key = a_key(cast.user, kind="agent", state=State.CLAIMED, stored_at=None)
    with pytest.raises(Conflict, match="vault"):
        acknowledge_key(actor(cast.user), key.pk)
    other = a_key(cast.user, kind="workload", state=State.CLAIMED, stored_at=None)
    acknowledge_key(actor(cast.user), other.pk)
    assert ApiKey.objects.get(pk=other.pk).state == State.HELD
