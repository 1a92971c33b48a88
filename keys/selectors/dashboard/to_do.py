"""Return the tasks and warnings for an admin, most urgent first, with counts that stop at 1,000."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from keys.models import LISTED, ApiKey, AuditEvent, PolicyException, PolicyVersion, Rotation
from keys.rules.events import Event
from keys.rules.rotation import RotationState
from keys.selectors.compare.completeness import completeness, is_compared_by_hand
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.inventory.conditions import Condition, narrow
from keys.selectors.inventory.filters import (
    SORTS,
    default_sort,
    expiring,
    needing,
    offered_needs,
)
from keys.selectors.inventory.keyset import order_by
from keys.selectors.requests.table import REVIEW, WAITING, requests_in

LATELY = timedelta(days=7)
FOUND_BY_SWEEPS = {"missing", "not-adopted", Event.SWEEP_STOPPED, Event.KEY_CHANGED}
"""What only Cerby's list of keys can show. In assisted mode there is none, so a count of 0 means nothing."""


@dataclass(frozen=True)
class Line:
    """``url`` lists the counted rows. ``tone``: danger and warning call for action, info doesn't.

    ``subject`` is the need, or the type of the events.
    """

    subject: str
    count: int
    label: str
    advice: str
    url: str
    tone: str

    @property
    def shown(self) -> str:
        return count_label(self.count)

    @property
    def is_to_do(self) -> bool:
        return self.count > 0 and self.tone != "info"


def lines(now: datetime) -> list[Line]:
    """Return all lines, including those with a count of 0, if the portal can know that in its mode."""
    found = [line for line in _lines(now) if line is not None]
    if settings.CERBY_ISSUE_MODE == "assisted":
        return [line for line in found if line.count or line.subject not in FOUND_BY_SWEEPS]
    return found


def _lines(now: datetime) -> list[Line | None]:
    return [
        _needing("danger", "removal-stuck", "Their removal is not confirmed, so they may still work.", now),
        _events(
            "danger",
            "Comparisons with Cerby stopped",
            "A comparison would have deleted suspiciously many keys, so it stopped.",
            now,
            type=Event.SWEEP_STOPPED,
        ),
        _needing("danger", "leaver-late", "Their owners left a week ago or more. Plan them now.", now),
        _needing("warning", "leaver-undecided", "Plan each: rotate it, remove it, or keep it.", now),
        _expiring("danger", 1, "Programs that use them stop working within a day. Replace them now.", now),
        _expiring("danger", 7, "Programs that use them will stop working. Replace them first.", now),
        _needing(
            "warning", "missing", "Cerby no longer lists them. Check them in Cerby, or delete them here.", now
        ),
        _events(
            "warning",
            "Changes in Cerby",
            "Made outside the portal. Each event has the values before and after.",
            now,
            type=Event.KEY_CHANGED,
        ),
        _needing(
            "warning", "not-adopted", "Created in Cerby's web app. Enter their purpose, or delete them.", now
        ),
        _needing(
            "warning", "orphan", "No active person answers for them. Select and edit them to name one.", now
        ),
        _needing(
            "warning", "review-due", "Check whether they are still needed, then set the next date.", now
        ),
        _needing(
            "warning",
            "reach-grew",
            "Their owners own more in Cerby than before. Not confirmed with a live workspace.",
            now,
        ),
        _needing(
            "warning",
            "not-certified",
            "Nobody decided in the review, or they may do more since. Review them.",
            now,
        ),
        _needing(
            "warning", "rotation-late", "Nobody has started these rotations. Ask again, or start them.", now
        ),
        _rotations("warning", RotationState.OVERDUE, "Retire the old key, or extend the overlap."),
        _rotations("warning", RotationState.QUIET, "Nothing uses the old key any more: retire it."),
        _needing(
            "warning",
            "agent-outside",
            "An agent needs a sponsor, a key for at most 30 days, and a vault.",
            now,
        ),
        _proposed_policy(),
        _exceptions(),
        _requests("Requests that wait", WAITING, "Another person must decide about each.", now),
        _requests("Done without approval", REVIEW, "Another person must review each.", now),
        _policy_of_one_person(),
        _needing("warning", "unconfirmed", "Nobody has confirmed yet that these keys are stored.", now),
        _needing(
            "warning",
            "unused-90",
            "They are probably not needed. Ask their owners, then delete them.",
            now,
        ),
        _needing(
            "info",
            "owner-left",
            "They act as people who left. The page of each person has the plan for their keys.",
            now,
        ),
        _not_seen(now),
        _expiring("info", 30, "Plan their replacement.", now),
        _expiring("info", 90, "The calendar shows on which days.", now),
        _needing("info", "unused-45", "They count as dormant. Check whether they are still needed.", now),
        _needing("info", "never-used", "Active, but no call has been made with them.", now),
        _events(
            "info",
            "Attempts refused",
            "Because of the role, the password, or a view that was already used.",
            now,
            outcome=AuditEvent.Outcome.REFUSED,
        ),
    ]


def _not_seen(now: datetime) -> Line | None:
    """Return the line about keys that people must confirm, or None if nobody is reminded of them."""
    days = settings.PORTAL_COMPARE_EVERY_DAYS
    if not days or not is_compared_by_hand():
        return None
    return Line(
        "not-seen",
        completeness(now).due,
        f"Not confirmed against Cerby's web app for {days} days",
        "Compare with Cerby: paste its table, and confirm the keys that it shows.",
        reverse("keys:inventory", query={"needs": "not-seen"}),
        "warning",
    )


def _rotations(tone: str, state: RotationState, advice: str) -> Line:
    count = bounded_count(Rotation.objects.filter(state=state))
    url = reverse("keys:rotations", query={"state": state.value})
    label = "Rotations overdue" if state is RotationState.OVERDUE else "Rotations with a quiet old key"
    return Line(f"rotation-{state}", count, label, advice, url, tone)


def _requests(label: str, show: str, advice: str, now: datetime) -> Line:
    count = bounded_count(requests_in(show, now))
    return Line("requests", count, label, advice, reverse("keys:requests", query={"show": show}), "warning")


def _proposed_policy() -> Line | None:
    waiting = PolicyVersion.objects.filter(state=PolicyVersion.State.PROPOSED).first()
    if waiting is None:
        return None
    url = reverse("keys:policy-version", args=[waiting.number])
    advice = "Another Owner or Super Admin must approve or decline it."
    return Line("policy", 1, "Proposed policy", advice, url, "warning")


def _exceptions() -> Line | None:
    count = bounded_count(PolicyException.objects.filter(state=PolicyException.State.ASKED))
    advice = "An Owner or Super Admin must grant or decline each."
    return (
        Line("exceptions", count, "Exceptions to decide", advice, reverse("keys:exceptions"), "warning")
        if count
        else None
    )


def _policy_of_one_person() -> Line | None:
    version = PolicyVersion.in_force()
    if version is None or not version.alone:
        return None
    advice = "Nobody else could approve it. A second person should look at it."
    return Line("policy", 1, "Policy approved by its author", advice, reverse("keys:policy"), "warning")


def _needing(tone: str, need: str, advice: str, now: datetime) -> Line | None:
    """Return the line, or None if the portal cannot know in its mode which keys need it."""
    label = dict(offered_needs()).get(need)
    return _of_keys(tone, label, advice, needing(need, now), needs=need) if label else None


def _expiring(tone: str, days: int, advice: str, now: datetime) -> Line:
    label = f"Expiring within {days} days" if days > 1 else "Expiring within 24 hours"
    return _of_keys(tone, label, advice, expiring(str(days), now), expires=str(days))


def _of_keys(tone: str, label: str, advice: str, condition: Condition, **query: str) -> Line:
    count = count_keys(condition, default_sort(**query))
    subject = query.get("needs", "expires")
    return Line(subject, count, label, advice, reverse("keys:inventory", query=query), tone)


def count_keys(condition: Condition, sort: str) -> int:
    """Count the keys in the order of the inventory's list, so that the count can stop early."""
    listed = narrow(ApiKey.objects.filter(LISTED), [condition], sort, SORTS[sort.lstrip("-")])
    return bounded_count(order_by(*listed))


def _events(tone: str, label: str, advice: str, now: datetime, **filters: Any) -> Line:
    """Count events from the start of a day in the reader's time zone, like the activity's filter."""
    since = (timezone.localtime(now) - LATELY).date()
    start = datetime.combine(since, time.min, tzinfo=timezone.get_current_timezone())
    count = bounded_count(AuditEvent.objects.filter(at__gte=start, **filters))
    query = {name: str(value) for name, value in filters.items()} | {"since": since.isoformat()}
    label = f"{label} in {LATELY.days} days"
    subject = str(filters.get("type", "refused"))
    return Line(subject, count, label, advice, reverse("keys:activity", query=query), tone)
