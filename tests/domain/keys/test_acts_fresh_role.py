"""Disable a person in Cerby: none of the actions that need a fresh role changes anything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import ApiKey, AuditEvent, Channel, Delivery, User
from keys.rules.errors import NotAllowed
from tests.domain.keys.acts import DONE
from tests.domain.keys.test_acts import scene

__all__ = ["scene"]

NEEDS_A_FRESH_ROLE = [
    *("keys/issue", "keys/await_paste", "keys/paste", "keys/import_keys", "keys/adopt", "keys/rescope"),
    *("keys/register: with its value", "keys/register: declared", "keys/confirm_removal", "keys/delete"),
    *(
        "keys/widen_approved",
        "keys/ask_to_widen",
        "keys/edit",
        "keys/correct",
        "keys/withdraw",
        "keys/withdraw: an import",
    ),
    *("audit/export_csv: inventory", "audit/export_csv: activity", "audit/export_evidence"),
    *("rotation/start", "rotation/retire", "rotation/kill", "rotation/extend", "rotation/call_off"),
    *("audit/explain_damage", "people/refresh_all", "safeguards/keep"),
    *(name for name in DONE if name.startswith("channels/")),
]


@pytest.mark.parametrize("name", NEEDS_A_FRESH_ROLE)
def test_a_person_who_was_disabled_in_cerby_changes_nothing(scene, workspace, name):
    act = DONE[name][0](scene)
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    User.objects.update(role_checked_at=timezone.now() - timedelta(minutes=2))
    keys = ApiKey.objects.order_by("pk").values_list("pk", "state", "scopes", "purpose", "pepper_id")
    channels, deliveries = (model.objects.order_by("pk").values() for model in (Channel, Delivery))
    before = [list(rows.all()) for rows in (keys, channels, deliveries)]
    with pytest.raises(NotAllowed):
        act()
    assert {event.type for event in AuditEvent.objects.all()} <= {"person:change", "attempt:refuse"}
    assert [list(rows.all()) for rows in (keys, channels, deliveries)] == before
