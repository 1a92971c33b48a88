"""Stage each change of the policy, with the events that record it, for test_acts.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keys.actions.policy.decide import approve_policy, decline_policy, withdraw_policy
from keys.actions.policy.exceptions import (
    ask_for_exception,
    decline_exception,
    end_exception,
    grant_exception,
)
from keys.actions.policy.export_keys import export_breaking_keys
from keys.actions.policy.propose import checked_preview, propose_policy
from keys.models import User
from keys.rules.permissions import Role
from keys.rules.policy.written import write
from tests.cast import a_key
from tests.support.policies import a_version, an_exception, changed, enforced, everywhere
from tests.support.scene import Scene

Act = Callable[[], Any]


def raised(scene: Scene) -> None:
    """Give the actor a role that may change the policy."""
    User.objects.filter(pk=scene.cast.admin.pk).update(role=Role.SUPER_ADMIN)


def proposing(**values: Any) -> Callable[[Scene], Act]:
    def stage(scene: Scene) -> Act:
        raised(scene)
        document = write(changed(BACKUP=values))
        return lambda: propose_policy(scene.me, document, reason="R", seen=checked_preview(document).digest)

    return stage


def deciding(act: Callable[..., Any], *, own: bool = False, **named: Any) -> Callable[[Scene], Act]:
    def stage(scene: Scene) -> Act:
        raised(scene)
        version = a_version(scene.cast.admin if own else scene.cast.owner, enforced(TEAM={}))
        seen = {"seen": checked_preview(version.document).digest} if act is approve_policy else {}
        return lambda: act(scene.me, version.number, **seen, **named)

    return stage


def excepting(act: Callable[..., Any], *, own: bool = False, **named: Any) -> Callable[[Scene], Act]:
    def stage(scene: Scene) -> Act:
        raised(scene)
        key = a_key(scene.cast.user, team="")
        if act is ask_for_exception:
            return lambda: act(scene.me, key.pk, "team", days=30, reason="R")
        asked = an_exception(key, scene.cast.admin if own else scene.cast.owner)
        return lambda: act(scene.me, asked.pk, **named)

    return stage


DONE: dict[str, tuple[Callable[[Scene], Act], list[str]]] = {
    "policy/propose": (proposing(**everywhere(value=True)), ["policy:propose", "policy:activate"]),
    "policy/propose: what another person must approve": (proposing(tiers={}), ["policy:propose"]),
    "policy/decide: approve": (deciding(approve_policy), ["policy:activate"]),
    "policy/decide: decline": (deciding(decline_policy, reason="R"), ["policy:decline"]),
    "policy/decide: withdraw": (deciding(withdraw_policy, own=True), ["policy:withdraw"]),
    "policy/exceptions: ask": (excepting(ask_for_exception), ["exception:ask"]),
    "policy/exceptions: grant": (excepting(grant_exception), ["exception:grant"]),
    "policy/exceptions: decline": (excepting(decline_exception, reason="R"), ["exception:decline"]),
    "policy/exceptions: withdraw": (excepting(end_exception, own=True), ["exception:end"]),
    "policy/export_keys": (
        lambda scene: lambda: export_breaking_keys(scene.me, write(changed(TEAM={}))),
        ["inventory:export"],
    ),
}
