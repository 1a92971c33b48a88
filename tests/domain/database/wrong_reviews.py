"""Write rows of reviews that the database refuses."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from keys.models import Certificate
from tests.cast import Cast, a_key
from tests.support.reviews import a_campaign, an_item

Wrong = Callable[[Cast], object]


def campaign(**columns: object) -> Wrong:
    return lambda _: a_campaign([], None, **columns)


def item(**columns: object) -> Wrong:
    return lambda cast: an_item(a_campaign([], None), a_key(cast.user), cast.admin, **columns)


def decided(**columns: object) -> Wrong:
    def write(cast: Cast) -> None:
        by = {"decided_by": cast.admin, "decided_at": timezone.now()}
        an_item(a_campaign([], None), a_key(cast.user), cast.admin, **by | columns)

    return write


def the_same_key_twice(cast: Cast) -> None:
    key = a_key(cast.user)
    a_campaign([key, key], cast.admin)


def certificate(**columns: object) -> Wrong:
    def write(cast: Cast) -> None:
        made = an_item(a_campaign([], None), a_key(cast.user), cast.admin)
        Certificate.objects.create(key=made.key, item=made, **columns)

    return write


WRONG: dict[str, list[Wrong]] = {
    "campaign_state_is_known": [campaign(state="lost")],
    "campaign_cadence_is_known": [campaign(cadence=31)],
    "campaign_is_signed_by_somebody": [campaign(state="signed")],
    "review_item_once": [the_same_key_twice],
    "review_item_comparison_is_known": [item(comparison="odd")],
    "review_item_decision_is_known": [decided(decision="perhaps")],
    "review_item_is_decided_by_somebody": [
        item(decision="keep"),
        decided(),
        decided(decision="not_certified"),
    ],
    "review_item_in_bulk_is_kept": [
        decided(decision="remove", in_bulk=True),
        decided(decision="keep", in_bulk=True),
    ],
    "review_item_kept_with_a_sentence": [decided(decision="keep", has_finding=True)],
    "certificate_is_void_for_a_reason": [
        certificate(),
        certificate(certified_at=timezone.now(), because="wider"),
        certificate(voided_at=timezone.now()),
    ],
}
