"""Test the page Policy, and what a key's page says about the policy."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from keys.actions.policy.find import find_outside
from keys.models import ApiKey
from keys.rules.policy.document import Name
from tests.cast import a_key
from tests.pages.helpers import links, queries, rows, text


def test_the_page_states_each_rule_and_lists_the_keys_outside(cast, browser_of):
    key = a_key(cast.user, name="Robot", system="S", review_on=timezone.localdate())
    admin = browser_of("admin")
    assert "The keys have not been compared yet" in text(admin.get("/policy/"))
    find_outside()
    page = admin.get("/policy/")
    assert len(rows(page)) == len(Name)
    assert {row["Mode"] for row in rows(page)} == {"Report"}
    outside = {row["Rule"]: row["Keys outside"] for row in rows(page)}
    assert outside == {name.label: "None" for name in Name} | {
        "Team": "1 outside “Team”",
        **dict.fromkeys(("Approvals", "Freeze", "Hours of expiry"), "Only for requests"),
    }
    listed = admin.get("/policy/?rule=team")
    assert "Robot" in links(listed)
    assert "It has no team. Edit the key and enter its team." in text(listed)
    ApiKey.objects.filter(pk=key.pk).update(team="T")
    assert "Every key meets this rule now." in text(admin.get("/policy/?rule=team")), "before the job runs"
    assert "Robot" not in links(admin.get("/policy/?rule=nonsense"))


def test_the_page_of_a_key_lists_the_rules_that_it_does_not_meet(cast, browser_of):
    soon = timezone.localdate() + timedelta(days=1)
    key = a_key(cast.user, system="S", review_on=soon)
    admin = browser_of("admin")
    assert "Outside the policy Team It has no team." in text(admin.get(f"/keys/{key.pk}/")).replace(
        "See the policy ", ""
    )
    assert "See the policy" not in text(browser_of("user").get(f"/keys/{key.pk}/"))
    ApiKey.objects.filter(pk=key.pk).update(team="T")
    assert "Outside the policy" not in text(admin.get(f"/keys/{key.pk}/"))


def test_the_page_asks_the_same_questions_for_one_key_and_for_many(cast, browser_of):
    admin = browser_of("admin")

    a_key(cast.user)
    find_outside()
    one = queries(admin, "/policy/?rule=team")
    for _ in range(9):
        a_key(cast.user)
    find_outside()
    assert queries(admin, "/policy/?rule=team") == one
