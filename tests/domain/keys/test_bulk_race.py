"""Two admins delete the same key in bulk at the same time: Cerby is asked once, and one action reports it."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.conf import settings as portal
from django.http import QueryDict
from django.test import override_settings
from django.utils import timezone

from keys.actions.bulk.as_started import record_start
from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.bulk.freeze import freeze_ticked
from keys.actions.keys.delete import delete_key
from keys.cerby.client import CerbyClient
from keys.models import ApiKey, Selection, User
from keys.rules.bulk import changes
from tests import cast as people
from tests.cast import a_live_key
from tests.support.background import asked, story_of
from tests.support.own_database import Address
from tests.support.racing import meet, race

WAYS = ("naive", "portal")


def work(number: int, subject: dict[str, Any]) -> str:
    """Let the first process be in the middle of its call to Cerby while the second one works on its list."""
    selection_id = UUID(subject["lists"][number])
    selection = Selection.objects.get(pk=selection_id)
    record_start(selection, selection.as_actor())
    with override_settings(**subject["settings"]):
        return _first(selection_id) if number == 0 else _second(selection_id, subject["way"])


def _first(selection_id: UUID) -> str:
    ask = CerbyClient.delete_key

    def slowly(client: CerbyClient, cerby_id: UUID) -> None:
        meet()  # the second process may begin
        meet()  # it has tried
        ask(client, cerby_id)

    meet()
    with patch.object(CerbyClient, "delete_key", slowly):
        carry_out_bulk(selection_id)
    meet()
    return _outcome(selection_id)


def _second(selection_id: UUID, way: str) -> str:
    if way == "naive":
        return _without_a_claim(selection_id)
    meet()
    meet()
    carry_out_bulk(selection_id)
    assert _outcome(selection_id) == ""
    meet()
    meet()
    carry_out_bulk(selection_id)
    return _outcome(selection_id)


def _without_a_claim(selection_id: UUID) -> str:
    """Check the key before the other process begins with it, and act while that is in the middle."""
    item = Selection.objects.get(pk=selection_id).items.get()
    assert not changes(item.seen, vars(item.key))
    meet()
    meet()
    delete_key(people.actor(User.objects.get(email=people.email_of("owner"))), item.key_id)
    meet()
    meet()
    return "done"


def _outcome(selection_id: UUID) -> str:
    return Selection.objects.get(pk=selection_id).items.get().outcome


def a_list(key: ApiKey, who: str) -> str:
    actor = people.actor(User.objects.get(email=people.email_of(who)))
    selection = freeze_ticked(actor, [key.pk], QueryDict())
    Selection.objects.filter(pk=selection.pk).update(act="delete", started_at=timezone.now())
    return str(selection.pk)


def test_each_key_is_deleted_once(workspace, database: Address):
    cast = people.people_in_portal(workspace.ids)
    to_cerby = {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}
    keys = [a_live_key(workspace.sandbox, cast.user)[0] for _ in WAYS]
    subjects = [
        {"way": way, "settings": to_cerby, "lists": [a_list(key, "admin"), a_list(key, "owner")]}
        for way, key in zip(WAYS, keys, strict=True)
    ]
    answers = race(database, f"{__name__}:work", subjects, processes=2)
    asked_for = [
        len(asked(workspace.sandbox, "DELETE", path=f"/api/v1/api-keys/{key.cerby_id}")) for key in keys
    ]
    assert asked_for == [2, 1]
    assert answers[1] == ["done", "skipped"]
    assert story_of(keys[1]) == ["key:start-delete", "key:delete"]
