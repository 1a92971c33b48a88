"""Stage each step of a review, with the events that record it, for test_acts.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys.actions.reviews.close import close_reviews
from keys.actions.reviews.decide import decide
from keys.actions.reviews.finish import declare_done
from keys.actions.reviews.freeze import freeze_reviews
from keys.actions.reviews.hand_over import hand_over, replace_absent
from keys.actions.reviews.sign import sign_off, stop_repeating
from keys.actions.reviews.start import Starting, repeat_reviews, start_review
from keys.actions.reviews.void import follow_certificate
from keys.models import ApiKey, Campaign, Certificate, ReviewItem, User
from keys.rules.reviews import Decision
from tests import cast as people
from tests.cast import a_key
from tests.support.reviews import DAY, a_campaign
from tests.support.scene import Scene

Act = Callable[[], Any]


def starting(scene: Scene) -> Act:
    a_key(scene.cast.user)
    entered = Starting("Spring", "Yearly.", timezone.localdate() + DAY)
    return lambda: start_review(scene.me, entered, lambda: None)


def campaign_of(scene: Scene, *, keys: int = 2, **columns: Any) -> Campaign:
    return a_campaign([a_key(scene.cast.user) for _ in range(keys)], scene.cast.admin, **columns)


def repeating(scene: Scene) -> Act:
    began = timezone.now() - timedelta(days=31)
    campaign_of(scene, keys=1, state="closed", cadence=30, opened_at=began)
    return repeat_reviews


def freezing(scene: Scene) -> Act:
    a_key(scene.cast.user)
    a_campaign([], None, state="freezing", opened_at=None, query="status=active")
    return freeze_reviews


def first(campaign: Campaign) -> ReviewItem:
    return campaign.items.order_by("id")[0]


def deciding(scene: Scene) -> Act:
    campaign = campaign_of(scene)
    return lambda: decide(scene.me, campaign.pk, first(campaign).pk, Decision.REMOVE)


def moving(scene: Scene) -> Act:
    campaign = campaign_of(scene)
    to = scene.cast.owner.email
    return lambda: hand_over(scene.me, campaign.pk, first(campaign).pk, to, "Theirs.")


def replacing(scene: Scene) -> Act:
    a_campaign([a_key(scene.cast.user)], scene.cast.guest)
    User.objects.filter(pk=scene.cast.guest.pk).update(is_active=False)
    return replace_absent


def closing(scene: Scene) -> Act:
    campaign_of(scene, keys=0)
    return close_reviews


def signing(scene: Scene) -> Act:
    campaign = campaign_of(scene, state="closed")
    return lambda: sign_off(people.actor(scene.cast.owner), campaign.pk, "Checked.")


def stopping(scene: Scene) -> Act:
    campaign = campaign_of(scene, cadence=30)
    return lambda: stop_repeating(scene.me, campaign.pk)


def declaring(scene: Scene) -> Act:
    key = a_key(scene.cast.user, cerby_id=None, origin="declared")
    campaign = a_campaign([key], scene.cast.admin)
    decided = {"decision": "narrow", "decided_by": scene.cast.admin, "decided_at": timezone.now()}
    ReviewItem.objects.update(**decided)
    return lambda: declare_done(scene.me, campaign.pk, first(campaign).pk, "Done in Cerby.")


def voiding(scene: Scene) -> Act:
    campaign = campaign_of(scene, keys=1)
    item = first(campaign)
    Certificate.objects.create(key_id=item.key_id, item=item, certified_at=timezone.now())

    def void() -> None:
        with transaction.atomic():
            ApiKey.objects.filter(pk=item.key_id).update(scopes=["read:users", "write:users"])
            follow_certificate(item.key_id, None)

    return void


DONE: dict[str, tuple[Callable[[Scene], Act], list[str]]] = {
    "reviews/start": (starting, ["review:start"]),
    "reviews/start: again": (repeating, ["review:start"]),
    "reviews/freeze": (freezing, ["review:open"]),
    "reviews/decide": (deciding, ["key:review"]),
    "reviews/hand_over": (moving, ["key:move-review"]),
    "reviews/hand_over: absent": (replacing, ["key:move-review"]),
    "reviews/close": (closing, ["review:close"]),
    "reviews/sign": (signing, ["review:sign"]),
    "reviews/sign: repeat no more": (stopping, ["review:stop-repeating"]),
    "reviews/finish": (declaring, ["key:finish-review"]),
    "reviews/void": (voiding, ["key:void-certificate"]),
}
PARTS = dict.fromkeys(
    ("reviews/tell", "reviews/keep_going"), "parts of the acts beside them: test_reviews.py"
)
