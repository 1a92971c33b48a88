"""Test the completeness of comparisons by hand, and the reminder of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.jobs.compare_reminder import remind_admins_to_compare
from keys.models import ApiKey, Comparison, InboxItem
from keys.selectors.compare.completeness import completeness
from tests.cast import a_key, email_of
from tests.support.post_office import deliver

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _assisted(settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    settings.PORTAL_COMPARE_EVERY_DAYS = 30


def seen(owner, days_ago: float, **columns) -> ApiKey:
    now = timezone.now()
    columns = {"seen_at": now - days_ago * DAY, "seen_by": owner, "created_at": now - 90 * DAY} | columns
    return a_key(owner, **columns)


def test_the_sentence_counts_active_keys(cast):
    now = timezone.now()
    assert completeness(now).sentence(now).startswith("There is no active key")
    seen(cast.admin, 2)
    seen(cast.admin, 40)
    seen(cast.admin, 1, state="revoked", removed_at=now)
    a_key(cast.admin)  # made yesterday, so it may wait
    now = timezone.now()
    found = completeness(now)
    assert (found.active, found.confirmed, found.due) == (3, 1, 1)
    assert "1 of 3 active keys was confirmed against Cerby's web app since" in found.sentence(now)
    assert found.sentence(now).endswith("the oldest confirmation is 40 days old.")


def test_admins_are_reminded_once_per_period(cast):
    assert remind_admins_to_compare() == "no comparison is due"
    seen(cast.user, 31)
    assert remind_admins_to_compare() == "admins reminded to compare: 3"
    letters = deliver()
    assert {letter.to[0] for letter in letters} == {
        email_of(who) for who in ("owner", "super_admin", "admin")
    }
    assert "http://testserver/keys/compare/" in letters[0].body
    assert remind_admins_to_compare() == "admins were reminded to compare"
    waiting = InboxItem.objects.filter(state="task")
    assert waiting.count() == 3
    Comparison.objects.update(reminded_at=timezone.now() - 31 * DAY)
    assert remind_admins_to_compare() == "admins reminded to compare: 3"
    assert waiting.count() == 3, "the new task replaces the old one"
    ApiKey.objects.update(seen_at=timezone.now())
    assert remind_admins_to_compare() == "no comparison is due"
    assert not waiting.exists()


def test_zero_days_turn_the_reminder_off(cast, settings):
    settings.PORTAL_COMPARE_EVERY_DAYS = 0
    seen(cast.user, 400)
    assert remind_admins_to_compare() == "no reminder to compare is set"
    assert deliver() == []


def test_the_count_reads_a_bounded_number_of_rows(cast, django_assert_num_queries):
    seen(cast.admin, 2)
    with django_assert_num_queries(1):
        completeness(timezone.now())
