"""Two admins confirm one group of a comparison at the same moment: every key is adopted once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from django.conf import settings as portal
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from keys.actions.compare import confirm_group as module
from keys.actions.compare.confirm_group import AnswerChanged, Confirmation, confirm_group
from keys.models import ApiKey, AuditEvent, User
from keys.rules.folded_text import fold
from keys.rules.permissions import Actor
from keys.selectors.compare.matching import Group
from keys.selectors.compare.plan import Item, Paste, comparison
from keys.validation import existing_key
from tests import cast as people
from tests.support.own_database import Address
from tests.support.racing import meet, race

ROUNDS = 4
NAIVE = ROUNDS
"""The last round is the naive version's."""


def me() -> Actor:
    return people.actor(User.objects.get(email=people.email_of("admin")))


def paste(subject: dict[str, Any]) -> Paste:
    return Paste(f"{subject['name']}\t3 Nov 2026\towner@contenzilla.example\tActive\n")


def confirm(_number: int, subject: dict[str, Any]) -> str:
    confirmed = Confirmation(Group.MISSING_HERE, subject["shown"], purpose="To test with.")
    with override_settings(**subject["settings"]):
        if subject["round"] == NAIVE:
            return confirm_naively(subject, confirmed)
        try:
            return confirm_when_both_have_compared(subject, confirmed)
        except AnswerChanged:
            return "changed"


def confirm_when_both_have_compared(subject: dict[str, Any], confirmed: Confirmation) -> str:
    def meet_first(items: list[Item]) -> Iterator[list[Item]]:
        meet()
        return together(items)

    together = module._together
    with patch.object(module, "_together", meet_first):
        return str(confirm_group(me(), paste(subject), confirmed))


def confirm_naively(subject: dict[str, Any], confirmed: Confirmation) -> str:
    """Compare before the transaction, let nobody wait, and don't ask the constraint."""
    existing_key.taken = lambda names_and_owners: {
        (fold(name), email): uuid.uuid4() for name, email in names_and_owners
    }
    plan = comparison(me(), paste(subject))
    assert plan.digest(confirmed.group) == confirmed.shown
    meet()
    with transaction.atomic():
        module._adopt(me(), plan.doable(confirmed.group), confirmed, timezone.now())
    return "1"


def test_every_key_is_adopted_once(workspace, database: Address):
    people.people_in_portal(workspace.ids)
    to_cerby = {name: getattr(portal, name) for name in ("CERBY_BASE_URL", "CERBY_TOKEN", "CERBY_API_KEY")}
    subjects = [{"round": n, "name": f"Round {n}", "settings": to_cerby} for n in range(ROUNDS + 1)]
    for subject in subjects:
        subject["shown"] = comparison(me(), paste(subject)).digest(Group.MISSING_HERE)
    answers = race(database, f"{__name__}:confirm", subjects, processes=2)
    assert [sorted(got) for got in answers] == [["1", "changed"]] * ROUNDS + [["1", "1"]]
    adopted = [ApiKey.objects.filter(name=subject["name"]).count() for subject in subjects]
    assert adopted == [1] * ROUNDS + [2]
    assert AuditEvent.objects.filter(type="inventory:compare").count() == ROUNDS
