"""A person starts two deletions at the same time: together they stay within the limit."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.conf import settings as portal
from django.db import transaction
from django.http import QueryDict
from django.test import override_settings

from keys.actions.bulk import ask, start
from keys.actions.bulk.freeze import freeze_ticked
from keys.models import Selection, User
from keys.rules.bulk import MOST_DELETED
from keys.rules.errors import Conflict
from tests import cast as people
from tests.pages.helpers import many_keys
from tests.support.own_database import Address
from tests.support.racing import meet, race

WAYS = ("naive", "portal")
EACH = MOST_DELETED // 2 + 5


def work(number: int, subject: dict[str, Any]) -> str:
    selection = Selection.objects.get(pk=UUID(subject["lists"][number]))
    with override_settings(**subject["settings"]):
        if subject["way"] == "portal":
            meet()
            return _started(selection)
        with transaction.atomic():
            start.check_other_deletions(selection)
        meet()  # both have checked, and neither lock is held any more
        with patch.object(ask, "check_other_deletions"):
            return _started(selection)


def _started(selection: Selection) -> str:
    actor = people.actor(selection.user)
    alone = {"reason": "To test with.", "ticket": "INC-7"}
    try:
        ask.request_deletion(actor, selection.pk, str, typed=str(selection.count), **alone)
    except Conflict as conflict:
        return conflict.sentence
    return "started"


def test_two_deletions_stay_within_the_limit_together(workspace, database: Address):
    cast = people.people_in_portal(workspace.ids)
    to_cerby = {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}
    subjects = [
        {"way": way, "settings": to_cerby, "lists": [a_list(person), a_list(person)]}
        for way, person in zip(WAYS, (cast.super_admin, cast.owner), strict=True)
    ]
    naive, guarded = race(database, f"{__name__}:work", subjects, processes=2)
    assert naive == ["started", "started"]
    assert max(guarded) == "started"
    assert min(guarded).startswith(f"You are deleting {EACH} other keys.")


def a_list(person: User) -> str:
    keys = many_keys(person, EACH)
    return str(freeze_ticked(people.actor(person), [key.pk for key in keys], QueryDict()).pk)
