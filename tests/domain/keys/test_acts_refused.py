"""Each refusal of an action is recorded, with the actor and the action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict

from keys.actions.audit.export_csv import export_activity, export_inventory
from keys.actions.channels.turn_off import remove_channel
from keys.actions.keys.acknowledge import acknowledge_key
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.people.refresh_all import refresh_everyone
from keys.models import AuditEvent
from keys.rules.errors import Conflict, Gone, NotAllowed, NotFound
from tests import cast as people
from tests.domain.keys.acts import Act, Staged, in_doubt, on
from tests.domain.keys.test_acts import scene
from tests.support.channels import a_channel
from tests.support.scene import Scene

__all__ = ["scene"]


def as_(
    name: str, act: Callable[..., Any], subject: Callable[[Scene], Any], *arguments: Any, **named: Any
) -> Staged:
    def stage(scene: Scene) -> Act:
        made = subject(scene)
        return lambda: act(people.actor(scene.cast[name]), made, *arguments, **named)

    return stage


def a_second_claim(scene: Scene) -> Act:
    key_id = scene.waiting_key()
    claim_key(scene.me, key_id, session="s")
    return lambda: claim_key(scene.me, key_id, session="another")


REFUSED: dict[str, tuple[Staged, type[Exception], list[tuple[str, str]]]] = {
    "keys/issue": (as_("user", issue_key, Scene.request), NotAllowed, [("attempt:refuse", "refused")]),
    "see": (as_("user", delete_key, Scene.key), NotFound, [("attempt:refuse", "refused")]),
    "claim by another": (
        as_("owner", claim_key, Scene.waiting_key, session="s"),
        NotAllowed,
        [("attempt:refuse", "refused")],
    ),
    "acknowledge by another": (
        as_("owner", acknowledge_key, lambda scene: scene.viewed_key()[0]),
        NotAllowed,
        [("attempt:refuse", "refused")],
    ),
    "second claim": (a_second_claim, Gone, [("key:reveal", "done"), ("key:reveal", "refused")]),
    "claim too late": (
        on(claim_key, lambda scene: scene.waiting_key(since=timedelta(minutes=16)), session="s"),
        Gone,
        [("key:reveal", "refused")],
    ),
    "export the inventory": (
        lambda scene: lambda: export_inventory(people.actor(scene.cast.user), QueryDict()),
        NotAllowed,
        [("attempt:refuse", "refused")],
    ),
    "export the activity": (
        lambda scene: lambda: export_activity(people.actor(scene.cast.user), QueryDict()),
        NotAllowed,
        [("attempt:refuse", "refused")],
    ),
    "read everybody's role": (
        lambda scene: lambda: refresh_everyone(people.actor(scene.cast.user)),
        NotAllowed,
        [("attempt:refuse", "refused")],
    ),
    "remove a channel": (
        as_("admin", remove_channel, lambda _: a_channel().pk),
        NotAllowed,
        [("attempt:refuse", "refused")],
    ),
    "absence too early": (on(delete_key, in_doubt), Conflict, [("key:look-up", "done")]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_recorded(scene, name):
    stage, error, expected = REFUSED[name]
    act = stage(scene)
    with pytest.raises(error):
        act()
    assert list(AuditEvent.objects.order_by("id").values_list("type", "outcome")) == expected


def test_a_refusal_names_the_actor_and_the_action(scene):
    with pytest.raises(NotAllowed):
        issue_key(people.actor(scene.cast.user), scene.request())
    event = AuditEvent.objects.get()
    assert (event.actor_email, event.actor_role) == (scene.cast.user.email, "User")
    assert event.details == {"action": "key:generate"}
    assert event.reason == "Your role, User, may not generate an API key."
