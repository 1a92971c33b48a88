"""Test that what an enforced rule does not allow is refused beside its field, and that all input is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from keys.models import ApiKey, PolicyVersion
from keys.rules.lifecycle import State
from keys.rules.policy.violations import day_of
from tests.cast import a_key, a_live_key
from tests.pages.helpers import events, reason_beside, rows, text
from tests.pages.journey import DETAILS, GENERATE, SCOPES, answers
from tests.pages.test_wizard import ticked, value_of
from tests.support.cases import in_one_test
from tests.support.policies import enforced, everywhere, in_force

NOW = timezone.now()
TODAY = day_of(NOW)
FROZEN = {"entries": (f"{TODAY - timedelta(days=2)} to {TODAY + timedelta(days=2)}",)}
NEEDED = everywhere(value=True)


def days(number: int) -> str:
    return str(TODAY + timedelta(days=number))


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    # name: (the enforced rule, the answers, the field, the start of the refusal)
    "life": ({"LIFE": everywhere(7)}, {"expiration": "1y"}, "expiration", "may be valid for at most 7 days"),
    "custom life": (
        {"LIFE": everywhere(7)},
        {"expiration": "custom", "expires_date": days(20), "expires_time": "10:00"},
        "expires_date",
        "may be valid for at most 7 days",
    ),
    "team": ({"TEAM": NEEDED}, {}, "team", "“Team”: this key, of tier medium, must name a team. Enter it."),
    "system": ({"SYSTEM": NEEDED}, {"team": "T"}, "system", "must name the system"),
    "backup": ({"BACKUP": NEEDED}, {}, "backup", "must have a backup. Enter their email."),
    "review": ({"REVIEW": everywhere(30)}, {}, "review_on", "must have a review date within 30 days."),
    "late review": ({"REVIEW": everywhere(30)}, {"review_on": days(40)}, "review_on", "within 30 days."),
    "name": (
        {"NAME": {"entries": ("*-prod",)}},
        {},
        "name",
        "the name of this key, of tier medium, must be like “*-prod”.",
    ),
    "hours": (
        {"EXPIRY": {"entries": ("Mon-Sun 00:00-00:01 UTC",)}},
        {"expiration": "custom", "expires_date": days(9), "expires_time": "13:00", "time_zone": "UTC"},
        "expires_date",
        "must expire within “Mon-Sun 00:00-00:01 UTC”",
    ),
}


@in_one_test("name", REFUSALS)
def test_the_wizard_refuses_beside_the_field_and_keeps_all_input(cast, admin, name):
    rules, given, field, said = REFUSALS[name]
    in_force(cast.owner, enforced(**rules))
    sent = answers(**given)
    page = admin.post(GENERATE, sent)
    assert page.status_code == 422
    assert said in reason_beside(page, f"id_{field}")
    for kept in ("name", "expiration", "purpose", *given):
        assert value_of(page, kept) == sent[kept], kept
    assert not ApiKey.objects.exists()
    again = admin.post(SCOPES, sent)
    assert ticked(again) == sent["scopes"], "the scopes are kept, too"


def test_a_request_that_meets_the_enforced_rules_passes(cast, admin, sandbox):
    rules = {
        name: values for rules, *_ in REFUSALS.values() for name, values in rules.items() if name != "EXPIRY"
    }
    in_force(cast.owner, enforced(**rules))
    good = {"name": "sync-prod", "team": "T", "system": "S", "backup": cast.user.email, "review_on": days(20)}
    assert admin.post(GENERATE, answers(**good)).status_code == 302


def test_the_scopes_that_no_key_may_have_together_are_refused_on_the_second_page(cast, admin):
    in_force(cast.owner, enforced(PAIRS={"entries": ("read:items:secrets + write:integrations",)}))
    sent = answers(scopes=["read:items", "write:integrations"])
    page = admin.post(GENERATE, sent)
    assert page.status_code == 422
    assert "may not have both “Read secrets” and “Write integrations”. Remove one of them." in text(page)
    assert ticked(page) == sent["scopes"]


@in_one_test(
    "rule, said",
    [
        ({"KEYS": everywhere(1)}, "may have at most 1 active keys, and would have 2"),
        ({"FREEZE": FROZEN}, "no key is made or given more scopes from"),
    ],
)
def test_what_has_no_field_is_refused_at_the_top(cast, admin, rule, said):
    a_key(cast.admin)
    in_force(cast.owner, enforced(**rule))
    page = admin.post(GENERATE, answers())
    assert page.status_code == 422
    assert said in text(page)
    assert "The policy does not allow this" in text(page)


def test_the_way_back_keeps_the_scopes(admin):
    sent = answers(scopes=["read:users", "read:items"])
    assert 'name="scopes" value="read:items"' in admin.post(DETAILS, sent).content.decode()


def test_a_rotation_is_refused_in_its_form_but_a_leak_passes_a_freeze(cast, admin, sandbox):
    key, _ = a_live_key(sandbox, cast.admin)
    in_force(cast.owner, enforced(TEAM=NEEDED, FREEZE=FROZEN, KEYS=everywhere(1)))
    form = answers(because="scheduled", overlap="3d", name="Next")
    page = admin.post(f"/keys/{key.pk}/rotate/", form)
    assert page.status_code == 422
    assert "must name a team" in reason_beside(page, "id_team")
    assert "no key is made" in text(page)
    leaked = answers(because="suspected-leak", overlap="3d", name="Next", team="T")
    assert admin.post(f"/keys/{key.pk}/rotate/", leaked).status_code == 302, "the old key does not count"


def test_a_wider_key_is_refused_before_and_after_the_question(cast, admin, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, team="")
    in_force(cast.owner, enforced(TEAM=NEEDED))
    asked = admin.get(f"/keys/{key.pk}/rescope/", {"scope": "write:integrations"})
    done = admin.post(f"/keys/{key.pk}/rescope/", {"scope": "write:integrations", "on": "true"})
    for page in (asked, done):
        assert page.status_code == 422
        assert "Policy, “Team”: With this scope the key is of tier high. It has no team." in text(page)
    key.refresh_from_db()
    assert key.scopes == ["read:users"]
    ApiKey.objects.filter(pk=key.pk).update(team="T")
    assert (
        admin.post(f"/keys/{key.pk}/rescope/", {"scope": "write:integrations", "on": "true"}).status_code
        == 302
    )


def test_an_edit_may_not_take_a_key_outside_a_rule_and_old_gaps_stay(cast, admin):
    key, gap = a_key(cast.admin, team="T"), a_key(cast.admin, team="")
    in_force(cast.owner, enforced(TEAM=NEEDED))
    page = admin.post(f"/keys/{key.pk}/edit/", {"version": "0", "purpose": "P", "team": ""})
    assert page.status_code == 422
    assert "must name a team" in reason_beside(page, "id_team")
    form = {"version": "0", "purpose": "Another one", "team": ""}
    assert admin.post(f"/keys/{gap.pk}/edit/", form).status_code == 302


def test_what_people_enter_about_an_existing_key_must_meet_the_rules(cast, admin):
    in_force(cast.owner, enforced(TEAM=NEEDED, LIFE=everywhere(1), NAME={"entries": ("*-prod",)}))
    form = {
        "name": "Old",
        "owner": cast.owner.email,
        "purpose": "P",
        "expires_date": "2099-01-01",
        "scopes": ["read:users"],
    }
    page = admin.post("/keys/register/", form)
    assert page.status_code == 422
    assert "must name a team" in reason_beside(page, "id_team")
    assert admin.post("/keys/register/", form | {"team": "T"}).status_code == 302, "its life is as it is"
    csv = f"name,owner,expires,purpose,scopes\nNew,{cast.owner.email},2099-01-01,P,read:users\n"
    checked = admin.post("/keys/import/", {"file": SimpleUploadedFile("keys.csv", csv.encode())})
    assert "must name a team" in text(checked)
    assert not ApiKey.objects.filter(name="New").exists()


def test_a_new_key_that_must_be_in_a_vault_cannot_be_confirmed_elsewhere(cast, admin):
    key = a_key(cast.admin, state=State.CLAIMED, stored_at=None, stored_in="")
    in_force(cast.owner, enforced(VAULT=NEEDED))
    refused = admin.post(f"/keys/{key.pk}/store/done/")
    assert refused.status_code == 409
    assert "This key must be saved in a vault" in text(refused)
    PolicyVersion.objects.update(state="withdrawn", starts_at=None)
    assert admin.post(f"/keys/{key.pk}/store/done/").status_code == 302


def test_the_portals_own_policy_refuses_nothing(cast, admin, sandbox):
    assert admin.post(GENERATE, answers(expiration="1y")).status_code == 302
    assert {row["Mode"] for row in rows(admin.get("/policy/"))} == {"Report"}
    assert not events(outcome="refused")
