"""Return a person's list of selected keys, and its progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys.models import ApiKey, Pause, Quarantine, SelectedKey, Selection
from keys.models.selection import EMERGENCY
from keys.rules import formatting
from keys.rules.bulk import MOST_DELETED, MOST_KEYS, TYPED_ABOVE
from keys.rules.errors import NotFound
from keys.rules.lifecycle import status
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import ROTATED
from keys.selectors.counts import bounded_count
from keys.selectors.health.safeguards import active_quarantine
from keys.selectors.inventory.filters import InventoryFilter
from keys.selectors.inventory.keyset import order_by
from keys.selectors.inventory.table import visible_to
from keys.selectors.requests.needs import approvals_to_delete

SHOWN = 100
"""The page lists at most this many keys. The CSV file has them all."""

QUARANTINED = "The quarantine is on. Until it has ended, no bulk action runs."

Act, Outcome = Selection.Act, SelectedKey.Outcome

A_MINUTE = 60
_ORDER = (Outcome.FAILED, Outcome.BY_HAND, Outcome.SKIPPED, Outcome.WORKING, Outcome.WAITING, Outcome.DONE)
"""The keys that need attention come first."""


def selection_for(actor: Actor, selection_id: UUID) -> Selection:
    """Return the person's own list.

    Raise ``NotFound`` if it is another person's, is older than a day, or is not written to its end.
    """
    since = timezone.now() - Selection.KEPT
    mine = Selection.objects.filter(user_id=actor.user_id, made_at__gt=since, count__gt=0)
    found = mine.filter(pk=selection_id).first()
    if found is None:
        raise NotFound("There is no such list of selected keys. The portal keeps a list for 24 hours.")
    return found


def left(selection: Selection) -> QuerySet[SelectedKey]:
    """Return the keys that stay selected after the action: it has not done them."""
    return selection.items.exclude(outcome__in=[Outcome.DONE, Outcome.BY_HAND])


def running_of(actor: Actor) -> list[Selection]:
    """Return the person's bulk actions that are running."""
    since = timezone.now() - Selection.KEPT
    mine = Selection.objects.filter(user_id=actor.user_id, made_at__gt=since)
    return list(mine.filter(started_at__isnull=False, finished_at__isnull=True).order_by("made_at")[:5])


def matching_count(actor: Actor, params: QueryDict) -> int:
    """Return how many keys match the inventory's query string: at most one more than a list can hold.

    A person asks for it, as the count can cost as much as freezing the list.
    """
    visible, wanted = visible_to(actor), InventoryFilter(params)
    if not wanted.is_valid():
        return 0
    return bounded_count(order_by(*wanted.keys(*visible)).order_by(), MOST_KEYS)


def running_lists() -> list[UUID]:
    """Return the ids of the lists whose action has started and not finished, oldest first."""
    running = Selection.objects.filter(started_at__isnull=False, finished_at=None).order_by("started_at")
    return list(running.values_list("pk", flat=True)[:100])


@dataclass(frozen=True)
class Row:
    """A selected key. ``note`` says why the actor cannot do the chosen act, or what was done."""

    key: ApiKey
    status: str
    status_label: str
    scopes: str
    last_used: str
    expires: str
    outcome: str
    outcome_label: str
    note: str


@dataclass(frozen=True)
class BulkPage:
    """``act``: the action that runs or ran, else the chosen one. ``obstacle``: why it cannot start."""

    selection: Selection
    act: str
    acts: list[tuple[str, str]]
    rows: list[Row]
    counts: dict[str, int]
    obstacle: str
    by_hand: bool
    waits: str
    needs_approval: bool

    @property
    def done(self) -> int:
        return sum(self.counts.get(each, 0) for each in (Outcome.DONE, Outcome.BY_HAND))

    @property
    def processed(self) -> int:
        return self.selection.count - self.counts.get("", 0) - self.counts.get(Outcome.WORKING, 0)

    @property
    def left(self) -> int:
        return self.selection.count - self.done

    @property
    def tally(self) -> list[tuple[str, int]]:
        """Return the number of keys for each outcome, in words."""
        return [(Outcome(each).label, self.counts[each]) for each in _ORDER if self.counts.get(each)]

    @property
    def took(self) -> str:
        """Return how long the action took, or an empty string if it has not finished."""
        selection = self.selection
        if selection.started_at is None or selection.finished_at is None:
            return ""
        seconds = (selection.finished_at - selection.started_at).total_seconds()
        words = f"{seconds:.1f} seconds" if seconds < A_MINUTE else f"{seconds / A_MINUTE:.1f} minutes"
        return f"It took {words} from the start to the last key."

    @property
    def hidden(self) -> int:
        return self.selection.count - len(self.rows)

    @property
    def must_type(self) -> bool:
        return self.act in {Act.DELETE, Act.STOP} and self.selection.count > TYPED_ABOVE

    @property
    def most_keys(self) -> int:
        return MOST_KEYS


def bulk_page(actor: Actor, selection_id: UUID, wanted: str = "") -> BulkPage:
    """Return the data for the page of a list. ``wanted``: the action that the person chose."""
    selection = selection_for(actor, selection_id)
    act = selection.act or (wanted if wanted in Act.values else "")
    rows = [_row(actor, item, act) for item in _first(selection)]
    grouped = selection.items.values_list("outcome").annotate(number=Count("pk"))
    return BulkPage(
        selection=selection,
        act=act,
        acts=[(each.value, each.label) for each in _acts(actor, act)],
        rows=rows,
        counts=dict(grouped),
        obstacle="" if selection.act else obstacle(act, selection.count),
        waits=_waits() if selection.is_running else "",
        needs_approval=act == Act.DELETE and not selection.act and bool(approvals_to_delete(selection)),
        by_hand=act in {Act.DELETE, Act.STOP} and any(row.key.is_deleted_by_hand for row in rows),
    )


def _acts(actor: Actor, act: str) -> list[Selection.Act]:
    """Return the actions for the tabs: on the way from the page for emergencies, only those."""
    return offered_in_emergency(actor) if act in {Act.STOP, Act.DRILL} else offered(actor)


def offered_in_emergency(actor: Actor) -> list[Selection.Act]:
    return [Act.STOP, Act.DRILL] if actor.may(Action.STOP_KEYS) else []


def offered(actor: Actor) -> list[Selection.Act]:
    """Return the actions for which the actor may have keys. Each key is checked again."""
    if actor.may(Action.SEE_INVENTORY):
        always = {Act.DELETE, Act.EDIT, Act.REMIND}
        if_allowed = {Act.ADOPT: Action.ADOPT_KEY}
        if_allowed |= dict.fromkeys((Act.ROTATE, Act.UNASK), Action.ASK_TO_ROTATE)
        may = always | {act for act, action in if_allowed.items() if actor.may(action)}
        return [act for act in Act if act in may]
    return [Act.DELETE, Act.EDIT]


def obstacle(act: str, count: int) -> str:
    """Return why ``act`` cannot start for ``count`` keys, or an empty string."""
    if act == Act.DELETE and count > MOST_DELETED:
        return (
            f"You selected {count:,} keys. At most {MOST_DELETED} can be deleted at once, so nothing was "
            "deleted. Go back and select fewer."
        )
    return QUARANTINED if act and act not in EMERGENCY and active_quarantine() else ""


def _waits() -> str:
    """Return why no key is begun at this moment, or an empty string."""
    until = Pause.active_until()
    if until is not None:
        return f"Cerby asked the portal to wait until {formatting.clock(until)}. The action goes on then."
    if Quarantine.objects.filter(silent_since__isnull=False).exists():
        return "The portal was away. The action goes on when the inventory has been compared with Cerby."
    return ""


def _first(selection: Selection) -> Iterable[SelectedKey]:
    found: list[SelectedKey] = []
    for outcome in _ORDER:
        if len(found) < SHOWN:
            items = selection.items.filter(outcome=outcome).select_related("key__owner").order_by("position")
            found += items[: SHOWN - len(found)]
    return found


def _row(actor: Actor, item: SelectedKey, act: str) -> Row:
    key, now = item.key, timezone.now()
    current = status(key.phase, key.expires_at, now)
    return Row(
        key=key,
        status=current.value,
        status_label=current.label,
        scopes=formatting.scope_summary(key.scopes),
        last_used=formatting.last_used(key.last_used_at, now, is_known=not key.is_deleted_by_hand),
        expires=formatting.day_exact_iso(key.expires_at)[0],
        outcome=item.outcome,
        outcome_label=Outcome(item.outcome).label,
        note=item.sentence or _warning(actor, key, act),
    )


def _warning(actor: Actor, key: ApiKey, act: str) -> str:
    if act == Act.DELETE and not actor.may(Action.DELETE_KEY, key):
        return "You may not delete this key."
    if act == Act.DELETE and key.is_deleted_by_hand:
        return "You delete this key in Cerby's web app. The portal lists the steps."
    if act == Act.ROTATE and key.state not in ROTATED:
        return "Only an active key that somebody has stored can be rotated."
    if act == Act.EDIT and not actor.may(Action.EDIT_KEY, key):
        return "You may not edit this key."
    if act == Act.ADOPT and not (key.origin == ApiKey.Origin.DISCOVERED and not key.purpose):
        return "This key needs no adoption."
    return ""
