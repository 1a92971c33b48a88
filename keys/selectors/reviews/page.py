"""Return the page of a review: its progress, the figures of the reviewers, and a page of its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, QuerySet
from django.http import QueryDict

from keys.models import Campaign, ReviewItem, User
from keys.rules import formatting, reviews
from keys.rules.lifecycle import Phase
from keys.rules.permissions import HIGHEST, Action, Actor
from keys.rules.policy.document import Name
from keys.rules.reach import Items, amounts, lists_opened
from keys.rules.reviews import MOST_IN_BULK, CampaignState, Comparison, Decision
from keys.selectors.inventory.keyset import Order, Page, page
from keys.selectors.reviews.figures import Figures, figures_of
from keys.selectors.reviews.find import campaign_for, item_for, may_declare, may_sign
from keys.tlog.leaf import ERASED

MINE, UNDECIDED, TO_BE_DONE, ALL = "mine", "undecided", "to-do", "all"
_IN_ORDER = Order((F("id"),))
_LARGEST_ID = 2**63 - 1
SIZE = 25


@dataclass(frozen=True)
class Row:
    """An item in words. ``may_decide``: the actor is the reviewer, and the campaign is open."""

    item: ReviewItem
    scopes: str
    reach: str
    owner: str
    expires: datetime | None
    used_at: datetime | None
    use_source: str
    use_as_of: datetime | None
    findings: list[str]
    may_decide: bool
    may_bulk: bool
    is_removed: bool

    @property
    def comparison(self) -> Comparison:
        return Comparison(self.item.comparison)

    @property
    def decision(self) -> Decision | None:
        return Decision(self.item.decision) if self.item.decision else None

    @property
    def took(self) -> str:
        return "" if self.item.took is None else f"{self.item.took / 1000:.1f} s"


@dataclass(frozen=True)
class ReviewPage:
    """``tabs``: value, label and number of each list of items. ``why_not_sign``: a sentence, or ""."""

    campaign: Campaign
    rows: Page[Row]
    shown: str
    tabs: list[tuple[str, str, int]]
    count: int
    decided: int
    mine: int
    figures: list[Figures]
    named: list[str]
    why_not_sign: str
    may_stop: bool
    may_export: bool

    @property
    def state(self) -> CampaignState:
        return CampaignState(self.campaign.state)

    @property
    def may_sign(self) -> bool:
        return self.state is CampaignState.CLOSED and not self.why_not_sign

    @property
    def most_in_bulk(self) -> int:
        return MOST_IN_BULK

    @property
    def may_bulk(self) -> bool:
        return any(row.may_bulk for row in self.rows.rows)

    @property
    def is_certifying(self) -> bool:
        return self.campaign.certified_to is not None


def review_page(actor: Actor, campaign_id: UUID, params: QueryDict) -> ReviewPage:
    """Return the page. Who may not see the inventory gets only their own items. Raise ``NotFound``."""
    campaign = campaign_for(actor, campaign_id)
    sees_all = actor.may(Action.SEE_INVENTORY)
    items = ReviewItem.objects.filter(campaign=campaign)
    mine = items.filter(reviewer=actor.user_id, decision="")
    waiting = mine.count() if campaign.state == CampaignState.OPEN else 0
    numbers = _numbers(items)
    tabs = _tabs(items, numbers, waiting, sees_all=sees_all)
    shown = params.get("show", "")
    if shown not in {value for value, _, _ in tabs}:
        shown = tabs[0][0]
    found = _found(items, mine, shown, params, sees_all=sees_all)
    refused = reviews.why_refused(reviews.SIGN, may_sign(campaign, actor)) or ""
    return ReviewPage(
        campaign=campaign,
        rows=Page(_rows(actor, campaign, (row[0] for row in found.rows)), found.after, found.before),
        shown=shown,
        tabs=tabs,
        count=sum(numbers.values()),
        decided=sum(numbers.values()) - numbers.get("", 0),
        mine=waiting,
        figures=figures_of(campaign) if sees_all else [],
        named=list(
            User.objects.filter(pk__in=campaign.named).order_by("name").values_list("name", flat=True)
        ),
        why_not_sign=refused,
        may_stop=campaign.cadence is not None and actor.may(Action.START_REVIEW),
        may_export=actor.may(Action.EXPORT_EVIDENCE) and campaign.state != CampaignState.FREEZING,
    )


def _numbers(items: QuerySet[ReviewItem]) -> dict[str, int]:
    return dict(items.values_list("decision").annotate(number=Count("pk")).order_by("decision"))


def _tabs(
    items: QuerySet[ReviewItem], numbers: Mapping[str, int], waiting: int, *, sees_all: bool
) -> list[tuple[str, str, int]]:
    own = [(MINE, "For you to decide", waiting)] if waiting or not sees_all else []
    if not sees_all:
        return own
    to_do = items.filter(to_do__isnull=False).count()
    return [
        *own,
        (ALL, "All", sum(numbers.values())),
        *([(UNDECIDED, "Undecided", numbers[""])] if numbers.get("") else []),
        *((each.value, each.label, numbers[each]) for each in Decision if numbers.get(each)),
        *([(TO_BE_DONE, "To be carried out", to_do)] if to_do else []),
    ]


def _found(
    items: QuerySet[ReviewItem],
    mine: QuerySet[ReviewItem],
    shown: str,
    params: QueryDict,
    *,
    sees_all: bool,
) -> Page[Any]:
    if shown == MINE or not sees_all:
        wanted = mine
    elif shown == ALL:
        wanted = items
    elif shown == TO_BE_DONE:
        wanted = items.filter(to_do__isnull=False)
    else:
        wanted = items.filter(decision="" if shown == UNDECIDED else shown)
    after, before = _id(params.get("after")), _id(params.get("before"))
    # An item that was just decided is no place to continue from, so the pages of undecided items start anew.
    return page(wanted.values_list("pk"), _IN_ORDER, items, after=after, before=before, size=SIZE)


def _id(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and int(text) <= _LARGEST_ID else None


def _rows(actor: Actor, campaign: Campaign, ids: Iterable[int]) -> list[Row]:
    joined = ("key", "reviewer", "decided_by")
    items = sorted(
        ReviewItem.objects.select_related(*joined).filter(pk__in=list(ids)), key=lambda item: item.pk
    )
    owners = {item.snapshot["owner"] for item in items}
    names = dict(User.objects.filter(pk__in=owners).values_list("pk", "name"))
    return [row_of_item(actor, campaign, item, names) for item in items]


def row_of_item(actor: Actor, campaign: Campaign, item: ReviewItem, names: Mapping[int, str]) -> Row:
    kept = item.snapshot
    owner = names.get(kept["owner"]) or ERASED
    counts = {Items(name): number for name, number in kept["reach"].items()}
    opened = [items for items in lists_opened(kept["scopes"]) if items is not Items.TEAMS]
    may_decide = (
        campaign.state == CampaignState.OPEN and not item.decision and item.reviewer_id == actor.user_id
    )
    return Row(
        item=item,
        scopes=formatting.scope_list(kept["scopes"]) if kept["scopes"] else "Not known",
        reach=amounts(opened, counts) if opened else "",
        owner=owner,
        expires=_moment(kept["expires_at"]),
        used_at=_moment(kept["last_used_at"]),
        use_source=kept["use_source"],
        use_as_of=_moment(kept["use_as_of"]),
        findings=[Name(rule).label if rule in set(Name) else rule for rule in kept["findings"]],
        may_decide=may_decide,
        may_bulk=may_decide and item.comparison == Comparison.SAME and not item.has_finding,
        is_removed=item.key.phase == Phase.REMOVED,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class ItemPage:
    """``changes``: values that differ from the frozen ones: label, then and now."""

    row: Row
    campaign: Campaign
    changes: list[tuple[str, str, str]]
    may_move: bool
    may_declare: bool
    may_open: bool


def item_page(actor: Actor, campaign_id: UUID, item_id: int) -> ItemPage:
    """Return the page of one item. Raise ``NotFound``."""
    item = item_for(actor, campaign_id, item_id)
    owner = item.snapshot["owner"]
    names = dict(User.objects.filter(pk=owner).values_list("pk", "name"))
    row = row_of_item(actor, item.campaign, item, names)
    key, is_open = item.key, item.campaign.state == CampaignState.OPEN and not item.decision
    leads = actor.role in HIGHEST and (item.reviewer_id is None or item.campaign.escalated_at is not None)
    pairs = [
        ("Owner", row.owner, key.owner_name if key.owner_id != owner else row.owner),
        ("Scopes", row.scopes, formatting.scope_list(key.scopes) if key.scopes else "Not known"),
        ("Purpose", item.snapshot["purpose"], key.purpose),
        ("Expires", formatting.exact(row.expires) if row.expires else "", formatting.exact(key.expires_at)),
    ]
    return ItemPage(
        row=row,
        campaign=item.campaign,
        changes=[pair for pair in pairs if pair[1] != pair[2]],
        may_move=is_open and (row.may_decide or leads),
        may_declare=may_declare(actor, item),
        may_open=actor.may(Action.SEE_KEY, key),
    )
