"""Two people save the same key at once: no change is lost. A naive version beside it loses one for certain."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from keys.actions.keys import edit
from keys.actions.keys.edit import Edit, edit_key
from keys.actions.people import confirm_role
from keys.models import ApiKey, User
from keys.rules.errors import Conflict
from keys.validation.ownership import Ownership
from tests import cast as people
from tests.cast import a_key
from tests.support.background import story_of
from tests.support.racing import meet, race

ROUNDS = 5
CHANGES: tuple[dict[str, Any], ...] = ({"team": "Data"}, {"system": "BigQuery"})
"""What each of the two processes changes."""


def save(number: int, subject: dict[str, Any]) -> str:
    """Save the whole form with one change, as the portal or as the naive version. Return the outcome."""
    key = ApiKey.objects.get(pk=subject["key"])
    if subject["way"] == "naive":
        form = {"team": key.team, "system": key.system} | CHANGES[number]
        meet()
        ApiKey.objects.filter(pk=key.pk).update(**form)
        return "saved"
    authorize = confirm_role.authorize_now

    def authorize_when_both_have_read(*arguments: Any) -> Any:
        meet()
        return authorize(*arguments)

    me = people.actor(User.objects.get(email=people.email_of("admin")))
    wanted = Edit(
        replace(Ownership(accountable=key.accountable_email), **CHANGES[number]), key.note, key.purpose
    )
    with patch.object(edit, "authorize_now", authorize_when_both_have_read):
        try:
            edit_key(me, uuid.UUID(subject["key"]), wanted, version=key.version)
        except Conflict:
            return "refused"
    return "saved"


def test_two_people_who_save_at_once_do_not_lose_a_change(database, committed_cast):
    subjects = [
        {"way": way, "key": str(a_key(committed_cast.user, team="", system="").pk)}
        for way in ["portal"] * ROUNDS + ["naive"]
    ]
    outcomes = race(database, f"{__name__}:save", subjects, processes=2)
    rows = [ApiKey.objects.get(pk=subject["key"]) for subject in subjects]
    for row, outcome in zip(rows[:ROUNDS], outcomes, strict=False):
        assert sorted(outcome) == ["refused", "saved"]
        assert (row.team, row.system) == (("Data", ""), ("", "BigQuery"))[outcome.index("saved")]
        assert (row.version, story_of(row)) == (1, ["key:edit"])
    assert outcomes[-1] == ["saved", "saved"]
    assert (rows[-1].team, rows[-1].system) != ("Data", "BigQuery")
