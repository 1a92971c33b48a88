"""Return the page Posture: known risks of keys, with a filter for each that the portal can see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import Finding
from keys.rules.permissions import Action, Actor
from keys.rules.posture import CONTROLS, RISKS, Control, Risk, Sight
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.dashboard.to_do import count_keys
from keys.selectors.inventory.filters import default_sort, needing, offered_needs


@dataclass(frozen=True)
class Link:
    """``count``: how many keys the link lists, in words, or an empty text if the page does not count them."""

    label: str
    url: str
    count: str


@dataclass(frozen=True)
class RiskRow:
    risk: Risk
    links: list[Link]


@dataclass(frozen=True)
class ControlRow:
    control: Control
    links: list[Link]


@dataclass(frozen=True)
class PosturePage:
    risks: list[RiskRow]
    controls: list[ControlRow]


def posture_page(actor: Actor) -> PosturePage:
    """Return the risks and controls with links. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    now = timezone.now()
    return PosturePage(
        [RiskRow(risk, _links(risk.sights, now)) for risk in RISKS],
        [ControlRow(control, _links(control.evidence, None)) for control in CONTROLS],
    )


def _links(sights: Iterable[Sight], now: datetime | None) -> list[Link]:
    """Return the links, with counts if ``now`` is given. Assisted mode cannot know every need."""
    known = {need for need, _ in offered_needs()}
    return [_link(sight, now) for sight in sights if not sight.need or sight.need in known]


def _link(sight: Sight, now: datetime | None) -> Link:
    count = ""
    if sight.need:
        url = reverse("keys:inventory", query={"needs": sight.need})
        if now:
            count = count_label(count_keys(needing(sight.need, now), default_sort(needs=sight.need)))
    elif sight.rule:
        url = reverse("keys:policy", query={"rule": sight.rule}) + "#outside"
        if now:
            count = count_label(bounded_count(Finding.objects.filter(rule=sight.rule)))
    else:
        url = reverse(sight.url, query=dict(sight.query) or None)
    return Link(sight.label, url, count)
