"""Campaigns behind the pages: the freeze, voided certificates, races, and the pack that is counted again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys.actions.audit.export_evidence import export_review
from keys.actions.keys.rescope import rescope_key
from keys.actions.reviews import decide as deciding
from keys.actions.reviews.close import close_reviews
from keys.actions.reviews.decide import decide, keep_together, mark_shown
from keys.actions.reviews.finish import finish_decisions
from keys.actions.reviews.freeze import freeze_reviews
from keys.actions.reviews.sign import certify, sign_off
from keys.actions.reviews.start import Starting, start_review
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, Campaign, Certificate, ReviewItem, Rotation
from keys.rules.errors import Conflict
from keys.rules.reviews import Decision
from tests.cast import a_key, a_live_key, actor
from tests.support.packs import unpacked, verify
from tests.support.reviews import DAY, a_campaign


def good(owner: Any, **columns: Any) -> ApiKey:
    return a_key(owner, **{"team": "T", "system": "S", "review_on": timezone.localdate() + 9 * DAY} | columns)


def opened(cast: Any, **more: Any) -> Campaign:
    entered = Starting("Spring", "Yearly.", timezone.localdate() + DAY, **more)
    campaign = start_review(actor(cast.admin), entered, lambda: None)
    freeze_reviews()
    campaign.refresh_from_db()
    assert campaign.state == "open"
    return campaign


def signed(cast: Any, keys: list[ApiKey]) -> Campaign:
    campaign = a_campaign(keys, cast.admin)
    for item in campaign.items.all():
        decide(actor(cast.admin), campaign.pk, item.pk, Decision.KEEP)
    return sign_off(actor(cast.owner), campaign.pk, "Checked.")


def voids(key: ApiKey) -> list[str]:
    events = AuditEvent.objects.filter(type="key:void-certificate", key_id=key.pk)
    return [event.details["void"] for event in events.order_by("id")]


def test_the_freeze_goes_on_where_a_worker_died(cast, monkeypatch):
    keys = [
        good(cast.user, accountable=cast.admin, created_at=timezone.now() - n * DAY) for n in range(1, 30)
    ]
    gone = good(cast.user)
    entered = Starting("Spring", "Yearly.", timezone.localdate() + DAY, query="status=active")
    campaign = start_review(actor(cast.admin), entered, lambda: None)
    ApiKey.objects.filter(pk=gone.pk).update(expires_at=timezone.now())
    create, left = ReviewItem.objects.bulk_create, [1]

    def dies(*args: Any, **more: Any) -> Any:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return create(*args, **more)

    monkeypatch.setattr(ReviewItem.objects, "bulk_create", dies)
    with pytest.raises(KeyboardInterrupt):
        freeze_reviews()
    assert 0 < campaign.items.count() < len(keys)
    assert Campaign.objects.get().state == "freezing"
    monkeypatch.undo()
    assert freeze_reviews() == 1
    assert set(campaign.items.values_list("key_id", flat=True)) == {key.pk for key in keys}
    assert freeze_reviews() == 0


def test_named_reviewers_take_turns_and_nobody_gets_their_own_key(cast):
    for owner in (cast.user, cast.user, cast.guest, cast.guest):
        good(owner)
    named = (cast.user.email, cast.guest.email)
    campaign = opened(cast, named=named)
    for item in campaign.items.select_related("key", "reviewer"):
        assert item.reviewer in {cast.user, cast.guest} - {item.key.owner}


def test_a_widening_by_a_person_voids_the_certificate_with_the_change(cast, sandbox):
    key, _ = a_live_key(sandbox, cast.user, scopes=["read:users", "read:activities"])
    signed(cast, [key])
    assert Certificate.objects.get().voided_at is None
    rescope_key(actor(cast.owner), key.pk, "read:activities", on=False)
    assert voids(key) == [], "fewer scopes"
    rescope_key(actor(cast.owner), key.pk, "read:activities", on=True)
    assert voids(key) == [], "these scopes were reviewed"
    rescope_key(actor(cast.owner), key.pk, "read:integrations", on=True)
    assert voids(key) == ["wider"]
    assert Certificate.objects.get().because == "wider"


def test_a_change_in_cerby_voids_the_certificate(cast, sandbox):
    key, _ = a_live_key(sandbox, cast.user)
    signed(cast, [key])
    with sandbox.store.transaction() as db:
        scopes = json.dumps(["read:users", "write:automations"])
        db.execute("UPDATE api_keys SET scopes = ? WHERE id = ?", [scopes, str(key.cerby_id)])
    sweep()
    assert voids(key) == ["wider"]


def test_a_key_that_was_widened_before_the_sign_off_is_not_certified(cast):
    key = good(cast.user)
    campaign = a_campaign([key], cast.admin)
    decide(actor(cast.admin), campaign.pk, campaign.items.get().pk, Decision.KEEP)
    ApiKey.objects.filter(pk=key.pk).update(owner=cast.guest)
    sign_off(actor(cast.owner), campaign.pk, "Checked.")
    assert voids(key) == ["owner"]
    assert certify() == 0


def test_only_one_of_two_decisions_at_the_same_time_counts(cast, monkeypatch):
    """The second decision is written between the first one's check and its write."""
    campaign = a_campaign([good(cast.user), good(cast.user)], cast.admin)
    item, me = campaign.items.order_by("id")[0], actor(cast.admin)
    check, second = deciding._check, [1]

    def interrupted(*facts: Any) -> None:
        check(*facts)
        if second:
            second.pop()
            decide(me, campaign.pk, item.pk, Decision.REMOVE)

    monkeypatch.setattr(deciding, "_check", interrupted)
    with pytest.raises(Conflict):
        decide(me, campaign.pk, item.pk, Decision.KEEP)


def test_the_time_to_decide_counts_from_the_decision_before(cast):
    campaign = a_campaign([good(cast.user), good(cast.user), good(cast.user)], cast.admin)
    first, second, third = campaign.items.order_by("id")
    me = actor(cast.admin)
    mark_shown(me, [first.pk, second.pk])
    ReviewItem.objects.filter(shown_at__isnull=False).update(shown_at=timezone.now() - timedelta(hours=2))
    decide(me, campaign.pk, first.pk, Decision.KEEP)
    first.refresh_from_db()
    assert first.took is not None
    assert first.took >= 7_200_000
    ReviewItem.objects.filter(pk=first.pk).update(decided_at=timezone.now() - timedelta(hours=1))
    decide(me, campaign.pk, second.pk, Decision.KEEP)
    second.refresh_from_db()
    assert second.took is not None
    assert 3_600_000 <= second.took < 7_200_000
    decide(me, campaign.pk, third.pk, Decision.KEEP)
    third.refresh_from_db()
    assert third.took is None, "it was never shown"


def test_decisions_are_carried_out_when_cerby_or_a_rotation_confirms_it(cast):
    keys = [good(cast.user, scopes=["read:users", "read:activities"]) for _ in range(3)]
    campaign = a_campaign(keys, cast.admin)
    answers = (Decision.NARROW, Decision.ROTATE, Decision.REMOVE)
    for item, answer in zip(campaign.items.order_by("id"), answers, strict=True):
        decide(actor(cast.admin), campaign.pk, item.pk, answer)
    assert finish_decisions() == 0
    ApiKey.objects.filter(pk=keys[0].pk).update(scopes=["read:users"])
    now = timezone.now()
    facts: dict[str, Any] = {
        "because": "scheduled",
        "started_at": now,
        "started_by": cast.admin,
        "proof": "none",
    }
    facts |= {"overlap": 1, "quiet_after": 1, "overlap_until": now + DAY, "ended_at": now}
    Rotation.objects.create(old=keys[1], new=good(cast.user), state="retired", **facts)
    ApiKey.objects.filter(pk=keys[2].pk).update(state="revoked", removed_at=now)
    assert finish_decisions() == 3
    assert finish_decisions() == 0


@pytest.fixture
def reviewed(cast, signed_here) -> Campaign:
    """A campaign with every outcome, which is signed off. Its decisions went through the portal."""
    for number in range(5):
        good(cast.user, accountable=cast.admin, name=f"K{number}")
    me = actor(cast.admin)
    before = opened(cast)
    for item in before.items.all():
        decide(me, before.pk, item.pk, Decision.KEEP)
    sign_off(actor(cast.owner), before.pk, "Checked.")
    campaign = opened(cast)
    items = {item.key.name: item.pk for item in campaign.items.select_related("key")}
    mark_shown(me, items.values())
    keep_together(me, campaign.pk, [items["K0"], items["K1"]])
    decide(me, campaign.pk, items["K2"], Decision.KEEP, "Needed.")
    decide(me, campaign.pk, items["K3"], Decision.REMOVE)
    Campaign.objects.filter(pk=campaign.pk).update(due_at=timezone.now() - 8 * DAY)
    close_reviews()
    sign_off(actor(cast.owner), campaign.pk, "Checked.")
    return campaign


def test_the_pack_of_a_review_is_counted_again(reviewed, tmp_path):
    folder = unpacked(b"".join(export_review(None, reviewed.pk)), tmp_path / "pack")
    status, lines = verify(folder)
    assert (status, lines[-1]) == (0, "No problems found."), lines
    said = json.loads((folder / "manifest.json").read_text())["review"]
    assert said["answers"] == {"keep": 3, "not_certified": 1, "remove": 1}
    [figures] = said["figures"]
    assert (figures["decided"], figures["in_bulk"]) == (4, 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"decision": "keep", "sentence": "S", "has_finding": False}, "another decision"),
        ({"comparison": "new"}, "other items than those that were frozen"),
        ({"took": 1}, "another decision"),
    ],
)
def test_a_row_of_a_review_that_somebody_changed_is_found(reviewed, tmp_path, change, sentence):
    ReviewItem.objects.filter(campaign=reviewed, decision="remove").update(**change)
    folder = unpacked(b"".join(export_review(None, reviewed.pk)), tmp_path / "pack")
    status, lines = verify(folder)
    assert status == 1
    assert any(sentence in line for line in lines), lines


def test_another_person_in_the_row_of_the_sign_off_is_found(cast, reviewed, tmp_path):
    Campaign.objects.filter(pk=reviewed.pk).update(signed_by=cast.admin)
    folder = unpacked(b"".join(export_review(None, reviewed.pk)), tmp_path / "pack")
    status, lines = verify(folder)
    assert status == 1
    assert any("not signed off by the person" in line for line in lines), lines
