"""Every action and every refusal records its events. If no event can be written, nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import IntegrityError

from keys import actions
from keys.models import (
    ApiKey,
    AuditEvent,
    CalendarFeed,
    Channel,
    Delivery,
    InboxItem,
    Notification,
    NotificationChoice,
    RevealGrant,
    Rotation,
    Session,
    User,
)
from keys.rules.errors import Conflict
from sandbox import Sandbox
from tests import cast as people
from tests.cast import Cast
from tests.conftest import Workspace
from tests.domain.keys.acts import DONE, NO_ACT_OF_ITS_OWN
from tests.support.scene import Scene


@pytest.fixture
def scene(committed_cast: Cast, workspace: Workspace) -> Scene:
    me = people.actor(committed_cast.admin)
    return Scene(committed_cast, workspace.sandbox, workspace.ids, me)


def test_the_table_knows_every_action():
    root = Path(actions.__path__[0])
    modules = {
        str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.py") if path.stem != "__init__"
    }
    assert {name.partition(":")[0] for name in DONE} == modules - NO_ACT_OF_ITS_OWN.keys()
    assert NO_ACT_OF_ITS_OWN.keys() <= modules


@pytest.mark.parametrize("name", DONE)
def test_each_action_records_its_events_or_changes_nothing(scene, fill_the_disk, name):
    """If the audit log cannot be written, the action changes neither the database nor Cerby."""
    stage, expected = DONE[name]
    act = stage(scene)
    before, held_by_cerby, earlier = everything(), cerby_holds(scene.sandbox), AuditEvent.objects.count()

    empty_the_disk = fill_the_disk()
    with pytest.raises((IntegrityError, Conflict)):  # some actions take the error for a Conflict
        act()
    assert everything() == before
    assert AuditEvent.objects.count() == earlier
    assert cerby_holds(scene.sandbox) == held_by_cerby

    empty_the_disk()
    act()
    written = list(AuditEvent.objects.order_by("id")[earlier:])
    assert [event.type for event in written] == expected
    assert {event.outcome for event in written} == {"done"}


def everything() -> list[list[dict[str, Any]]]:
    """Return the portal's rows, without the time at which a role was read and Cerby's word for it."""
    models: tuple[Any, ...] = (
        *(User, ApiKey, RevealGrant, Rotation, Session, Authenticator),
        *(Channel, Delivery, Notification, InboxItem, NotificationChoice, CalendarFeed),
    )
    return [
        [
            {**row, "role_checked_at": None, "cerby_role": None, "cerby_mfa": None}
            for row in model.objects.order_by("pk").values()
        ]
        for model in models
    ]


def cerby_holds(sandbox: Sandbox) -> list[Any]:
    with sandbox.store.transaction() as db:
        keys = [tuple(row) for row in db.execute("SELECT id, scopes, removed_at FROM api_keys ORDER BY id")]
    return [keys, sandbox.secrets()]
