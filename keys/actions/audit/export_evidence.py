"""Export an evidence pack. The event precedes the first byte, and a person downloads one pack at a time."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.evidence.offboarding import Offboarding
from keys.evidence.pack import pack
from keys.evidence.parts import Period
from keys.evidence.policy_as_of import note_policy
from keys.evidence.review_in_pack import ReviewInPack
from keys.models import ApiKey, Campaign, LeaverPlan, Throttle, User
from keys.models.throttle import throttle_name
from keys.rules.errors import Invalid, NotFound, TooOften
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import Phase
from keys.rules.permissions import Action, Actor
from keys.rules.reviews import CampaignState

OPERATOR = "the operator of the portal"
HELD_FOR = 600
"""Seconds after which an interrupted download no longer blocks a new one. A running one renews its lease."""
RENEWED_AFTER = 60
MOST_PLANS = 10_000
A_DAY, MARGIN = timedelta(days=1), timedelta(minutes=1)


class Download(Iterator[bytes]):
    """Iterate over the bytes of a pack. The server calls ``close`` if the client disconnects."""

    def __init__(self, chunks: Generator[bytes, None, None], name: str, lease: Lease | None) -> None:
        self.name = name
        self._chunks, self._lease = chunks, lease

    def __next__(self) -> bytes:
        if self._lease:
            self._lease.renew()
        try:
            return next(self._chunks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._chunks.close()
        if self._lease:
            self._lease.release()
            self._lease = None


class Lease:
    """A person's right to download a pack. Another download takes it over if it is not renewed in time."""

    def __init__(self, actor: Actor) -> None:
        """Raise ``TooOften`` if another download has it."""
        self._name = throttle_name("evidence", str(actor.user_id))
        until = Throttle.objects.lease(self._name, HELD_FOR)
        if until is None:
            raise TooOften("You are already downloading an evidence pack. Try again when it has finished.")
        self._until, self._renewed = until, time.monotonic()

    def renew(self) -> None:
        if time.monotonic() - self._renewed > RENEWED_AFTER:
            self._renewed = time.monotonic()
            self._until = Throttle.objects.renew(self._name, self._until, HELD_FOR)

    def release(self) -> None:
        Throttle.objects.release(self._name, self._until)


def export_evidence(
    actor: Actor | None, since: datetime, until: datetime, as_of: datetime | None = None
) -> Download:
    """Return a pack with the events from ``since`` to before ``until``, and the other data as of ``as_of``.

    ``as_of`` defaults to now. ``actor`` is None on the command line. Raises ``Conflict`` if there is no
    signing key, and ``TooOften`` if this person is already downloading a pack.
    """
    if actor is not None:
        actor = authorize_now(actor, Action.EXPORT_EVIDENCE)
    note_policy()
    now = timezone.now()
    period = Period(since, min(until, now), as_of or now)
    _check(period, now)
    name = f"evidence-{period.since:%Y%m%d}-{period.until:%Y%m%d}-as-of-{period.as_of:%Y%m%dT%H%M%SZ}.zip"
    chunks = pack(period, asked_by=actor.name if actor else OPERATOR, asked_at=now, name=name)
    return _recorded(Download(chunks, name, Lease(actor) if actor else None), actor, period)


def export_offboarding(actor: Actor, person_id: int) -> Download:
    """Return an evidence pack with the plans for the keys of one person, since the oldest of these plans.

    Raises ``NotFound``, and the errors of ``export_evidence``.
    """
    actor = authorize_now(actor, Action.EXPORT_EVIDENCE)
    note_policy()
    now, person = timezone.now(), User.objects.filter(pk=person_id).first()
    if person is None:
        raise NotFound("The portal does not know this person.")
    plans = LeaverPlan.objects.filter(key__owner=person).values_list("decided_at", "open_since")
    times = [moment for row in plans[:MOST_PLANS] for moment in (*row, person.left_at) if moment]
    period = Period(min([*times, now - A_DAY]) - MARGIN, now, now)
    live = ApiKey.objects.filter(owner=person, phase=Phase.LIVE).order_by("-created_at", "-id")
    keys = {str(pk): name for pk, name in live.values_list("pk", "name")[:MOST_PLANS]}
    left_at = utc_microseconds(person.left_at) if person.left_at else ""
    offboarding = Offboarding(str(person.pk), person.name, person.email, left_at, keys)
    name = f"offboarding-{person.pk}-{now:%Y%m%dT%H%M%SZ}.zip"
    chunks = pack(period, asked_by=actor.name, asked_at=now, name=name, offboarding=offboarding)
    about = {"person": str(person.pk), "email": person.email}
    return _recorded(Download(chunks, name, Lease(actor)), actor, period, **about)


def export_review(actor: Actor | None, campaign_id: UUID) -> Download:
    """Return an evidence pack with all items of a review, and the events since it was started.

    ``actor`` is None on the command line. Raises ``NotFound``, and the errors of ``export_evidence``.
    """
    if actor is not None:
        actor = authorize_now(actor, Action.EXPORT_EVIDENCE)
    note_policy()
    campaign = Campaign.objects.filter(pk=campaign_id).first()
    if campaign is None or campaign.state == CampaignState.FREEZING:
        raise NotFound("There is no such review, or its keys are not listed yet.")
    now = timezone.now()
    period = Period(campaign.started_at - MARGIN, now, now)
    name = f"review-{campaign.pk}-{now:%Y%m%dT%H%M%SZ}.zip"
    by = actor.name if actor else OPERATOR
    chunks = pack(period, asked_by=by, asked_at=now, name=name, review=ReviewInPack(campaign))
    return _recorded(Download(chunks, name, Lease(actor) if actor else None), actor, period)


def _recorded(download: Download, actor: Actor | None, period: Period, **about: Any) -> Download:
    """Append the event, before the first byte."""
    bounds: dict[str, Any] = {
        name: utc_microseconds(getattr(period, name)) for name in ("since", "until", "as_of")
    }
    try:
        log.append(Event.EVIDENCE_EXPORTED, actor=actor, **bounds, **about)
    except BaseException:
        download.close()
        raise
    return download


def _check(period: Period, now: datetime) -> None:
    if period.as_of > now:
        raise Invalid(as_of="This time is in the future. Enter a time in the past.")
    if period.since >= period.until:
        raise Invalid(until="The period must end after it begins, and must begin in the past.")
