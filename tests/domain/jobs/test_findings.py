"""Test the job that finds keys outside the policy."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from keys.actions.policy import find
from keys.models import ApiKey, Finding
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, State
from keys.rules.policy.document import Name
from tests.cast import a_key


def good(owner, **columns) -> ApiKey:
    review_on = timezone.localdate() + timedelta(days=30)
    return a_key(owner, **{"team": "T", "system": "S", "review_on": review_on} | columns)


def found(key: ApiKey) -> set[str]:
    return set(Finding.objects.filter(key=key).values_list("rule", flat=True))


def test_a_key_outside_a_rule_is_a_finding_until_it_meets_the_rule(cast, monkeypatch):
    monkeypatch.setattr(find, "BATCH", 2)  # so that there are several batches
    inside, outside, ended = good(cast.user), good(cast.user, team="", system=""), good(cast.user, team="")
    find.find_outside()
    assert (found(inside), found(outside), found(ended)) == (set(), {"team", "system"}, {"team"})
    first = Finding.objects.get(key=outside, rule="team")
    today = timezone.localdate(first.since)
    assert timedelta(days=30) <= first.due_on - today < timedelta(days=60)
    ApiKey.objects.filter(pk=outside.pk).update(system="S")
    ApiKey.objects.filter(pk=ended.pk).update(state=State.REVOKED, removed_at=timezone.now())
    assert find.find_outside() == "Findings: 1"
    assert Finding.objects.get() == first, "an old finding keeps its due date"


def test_due_dates_are_spread(cast):
    for number in (1, 2):
        good(cast.user, team="", id=UUID(int=number))
    find.find_outside()
    first, second = Finding.objects.order_by("due_on").values_list("due_on", flat=True)
    assert second - first == timedelta(days=1)


@pytest.mark.parametrize(
    ("columns", "rules"),
    [
        ({"expires_at": EXPIRY_NOT_KNOWN}, {Name.LIFE}),
        ({"created_at": timezone.now() - timedelta(days=60)}, {Name.USE}),
        ({"created_at": timezone.now() - timedelta(days=60), "cerby_id": None, "origin": "declared"}, set()),
        ({"state": State.REVOKED, "removed_at": timezone.now(), "team": ""}, set()),
        ({"expires_at": timezone.now() - timedelta(seconds=1), "team": ""}, set()),
        ({"scopes": ["read:items"], "backup": True, "stored_in": ""}, {Name.VAULT}),
        ({"scopes": ["read:items"], "backup": True, "stored_in": "", "origin": "discovered"}, set()),
    ],
)
def test_the_policy_judges_only_active_keys_and_what_the_portal_can_know(cast, columns, rules):
    people = {"backup": cast.admin} if columns.get("backup") else {}
    key = good(cast.user, **columns | people)
    find.find_outside()
    assert found(key) == rules


def test_in_assisted_mode_only_a_reading_tells_of_a_key_that_is_not_used(cast, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    made = timezone.now() - timedelta(days=60)
    known, unknown = (good(cast.user, created_at=made) for _ in range(2))
    ApiKey.objects.filter(pk=known.pk).update(use_read_at=timezone.now(), use_read_by=cast.user)
    find.find_outside()
    assert (found(known), found(unknown)) == ({Name.USE}, set())
