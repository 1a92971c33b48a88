"""Carry out one group of a comparison with Cerby's web app, after a person has seen and confirmed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from datetime import time as time_of_day
from functools import partial
from itertools import groupby
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.compare.end_task import end_comparison_task
from keys.actions.keys.register import add_keys, unsaved_key, wait_for_other_declarations
from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.refresh import create_unknown_users
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey, Comparison, RevealGrant, User
from keys.rules.batches import in_turns
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Phase, State, Transition
from keys.rules.pasted_cells import RowStatus
from keys.rules.permissions import Action, Actor
from keys.selectors.compare.completeness import completeness
from keys.selectors.compare.matching import Group, KeyFacts
from keys.selectors.compare.people import Directory, directory
from keys.selectors.compare.plan import Item, Paste, Plan, is_by_hand, plan_with, read_paste, still_true
from keys.validation import existing_key, new_key
from keys.validation.existing_key import Registration

AT_ONCE = 50
"""The most keys in one transaction, unless more have the same name and person."""
ATTEMPTS = 2


class AnswerChanged(Conflict):
    """The answer is not the one that the person saw. Nothing was changed; ``plan`` is the new answer."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("The answer has changed since the page was shown. Nothing was changed.")
        self.plan = plan


@dataclass(frozen=True)
class Confirmation:
    """A person's consent to ``group``. ``shown`` is the digest of the group on the page that they saw.

    ``purpose`` is for all adopted keys, ``purposes`` for some by their line. ``choices``: the key that each
    ambiguous line is, by line.
    """

    group: Group
    shown: str
    purpose: str = ""
    purposes: Mapping[int, str] = field(default_factory=dict)
    choices: Mapping[int, UUID] = field(default_factory=dict)

    def purpose_of(self, item: Item) -> str:
        return self.purposes.get(item.number, "") or self.purpose


def confirm_group(actor: Actor, paste: Paste, confirmed: Confirmation) -> int:
    """Carry out ``confirmed``, and return the number of keys that it concerned.

    Raises ``AnswerChanged`` if the comparison differs from the one that was shown, and ``Invalid`` for a
    purpose; nothing is changed then. Others may write after about ``AT_ONCE`` keys. A key about which the
    comparison would say something else by then stays as it is. If a confirmation breaks off, the same paste
    shows the rest.
    """
    actor = authorize_now(actor, Action.COMPARE_INVENTORY)
    if confirmed.group is Group.MISSING_HERE:
        actor = authorize_now(actor, Action.REGISTER_KEY)
    actor = replace(actor, part_of=str(uuid4()))
    table = read_paste(paste)
    people = directory(table.rows)  # may ask Cerby, so before the transactions
    now = timezone.now()
    planned = partial(plan_with, table, people, whole=paste.whole, now=now)
    plan = planned()
    if plan.digest(confirmed.group) != confirmed.shown:
        raise AnswerChanged(plan)
    work = _Confirming(actor, confirmed, plan, people, now)
    count = work.carry_out()
    if not count and plan.doable(confirmed.group):
        raise AnswerChanged(planned())  # somebody else has just changed all of them
    work.record(count)
    return count


@dataclass(frozen=True)
class _Confirming:
    actor: Actor
    confirmed: Confirmation
    plan: Plan
    people: Directory
    now: datetime

    def carry_out(self) -> int:
        """Carry out one transaction after the other, and return the number of keys."""
        count = 0
        for items in in_turns(_together(self._chosen()), AT_ONCE):
            count += self._try(items)
        return count

    def record(self, count: int) -> None:
        table = self.plan.table
        with transaction.atomic():
            if self.plan.whole:
                Comparison.objects.filter(pk=Comparison.ONLY).update(whole_at=self.now)
            log.append(
                Event.INVENTORY_COMPARED,
                actor=self.actor,
                group=self.confirmed.group.value,
                count=count,
                rows=len(table.rows),
                unreadable=len(table.unreadable) + table.more_unreadable,
                whole_table=self.plan.whole,
            )
            if not completeness(self.now).due:
                end_comparison_task()

    def _chosen(self) -> list[Item]:
        """Return the lines to carry out, or raise ``Invalid`` if an entry of the person is wrong."""
        items = self.plan.doable(self.confirmed.group)
        if self.confirmed.group is Group.MISSING_HERE:
            for purpose in {self.confirmed.purpose_of(item) for item in items}:
                new_key.check_purpose(purpose)
        if self.confirmed.group is Group.AMBIGUOUS:
            return _decided(items, self.confirmed.choices)
        return items

    def _try(self, items: list[Item]) -> int:
        """Return how many keys were done: none if others change them again and again."""
        if self.confirmed.group is Group.MISSING_HERE:
            create_unknown_users(item.owner for item in items if isinstance(item.owner, cerby.Person))
        for _ in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    _let_others_wait(self.now)
                    wait_for_other_declarations()
                    same = still_true(self.plan, self.confirmed.group, items, self.people, self.now)
                    self._do(same)
                    return len(same)
            except Conflict:
                continue
            except IntegrityError as error:
                if not existing_key.is_taken(error):
                    raise
        return 0

    def _do(self, items: list[Item]) -> None:
        actor, now = self.actor, self.now
        match self.confirmed.group:
            case Group.CONFIRMED:
                _mark_as_seen(actor, [item.pair.key for item in items if item.pair.key], now)
            case Group.MISSING_HERE:
                _adopt(actor, items, self.confirmed, now)
            case Group.MISSING_THERE | Group.REMOVED_THERE:
                for item in items:
                    assert item.pair.key is not None  # only rows without a key are in other groups
                    _declare_removed(actor, item.pair.key, item.pair.row.shown if item.pair.row else "", now)
            case Group.AMBIGUOUS:
                _decide(actor, items, self.confirmed.choices, now)


def _together(items: list[Item]) -> Iterator[list[Item]]:
    """Yield the groups of ``items`` with the same name and person.

    Each of them changes the answer about the others. So do rows of which it is open where the name ends:
    they come first.
    """

    def name_and_person(item: Item) -> tuple[bool, list[str], str]:
        row, key, owner = item.pair.row, item.pair.key, item.owner
        email = owner.email.lower() if owner else key.owner_email if key else ""
        return not (row and row.other_names), sorted(item.names), email

    for _, same in groupby(sorted(items, key=name_and_person), name_and_person):
        yield list(same)


def _let_others_wait(now: datetime) -> None:
    """Change the one row of the comparisons, so that no other comparison is carried out until the commit."""
    Comparison.objects.bulk_create([Comparison()], ignore_conflicts=True)
    Comparison.objects.filter(pk=Comparison.ONLY).update(confirmed_at=now)


def _mark_as_seen(actor: Actor, keys: list[KeyFacts], now: datetime) -> None:
    live = ApiKey.objects.filter(pk__in=[key.id for key in keys], phase=Phase.LIVE)
    if live.update(seen_at=now, seen_by=actor.user_id) != len(keys):
        raise Conflict("A key has just been changed. Compare again.")
    for key in keys:
        row = ApiKey(pk=key.id, name=key.name)
        log.append(Event.KEY_CONFIRMED, actor=actor, key=row, seen_at=utc_microseconds(now))


def _adopt(actor: Actor, items: list[Item], confirmed: Confirmation, now: datetime) -> None:
    """Add the keys as declared keys. The table shows neither their scopes nor when they expire."""
    emails = {item.owner.email.lower() for item in items if item.owner}
    owners = {user.email: user for user in User.objects.filter(email__in=emails)}
    named = [(item.pair.row.name, item.owner.email.lower()) for item in items if item.pair.row and item.owner]
    taken = set(existing_key.taken(named))
    keys: list[ApiKey] = []
    for item in items:
        row = item.pair.row
        assert row is not None
        assert item.owner is not None  # an item without an owner has a problem
        made = (
            datetime.combine(row.created.day, time_of_day.min, tzinfo=timezone.get_current_timezone())
            if row.created
            else None
        )
        registration = Registration(
            name=row.name,
            owner_email=item.owner.email.lower(),
            purpose=confirmed.purpose_of(item),
            expires_at=EXPIRY_NOT_KNOWN,
            scopes=(),
            created_at=min(made.astimezone(UTC), now) if made else None,
        )
        # Cerby allows several keys with one name, and its table may have them.
        is_first = existing_key.identity(registration) not in taken
        taken.add(existing_key.identity(registration))
        key = unsaved_key(registration, owners[registration.owner_email])
        key.holds_name = 1 if is_first else None
        key.seen_at, key.seen_by_id = now, actor.user_id
        keys.append(key)
    add_keys(actor, keys)
    for key in keys:
        log.append(Event.KEY_CONFIRMED, actor=actor, key=key, seen_at=utc_microseconds(now))


def _declare_removed(actor: Actor, facts: KeyFacts, shown: str, now: datetime) -> None:
    """Mark a key as removed because a person says so. ``shown``: its status in Cerby's web app, if any."""
    key = ApiKey.objects.select_related("owner").get(pk=facts.id)
    removed = {"removed_at": now}
    if key.state == State.REVOKING:
        transition(key, Transition.CONFIRM_REVOKED, Event.KEY_REMOVAL_CONFIRMED, actor, changes=removed)
        return
    transition(
        key,
        Transition.VANISH,
        Event.KEY_REMOVAL_DECLARED,
        actor,
        still=State(facts.state),
        changes=removed,
        from_state=facts.state,
        shown=shown or "not in the table",
    )
    RevealGrant.withdraw(key)


def _decided(items: list[Item], choices: Mapping[int, UUID]) -> list[Item]:
    """Return the lines with a choice. Raise ``Invalid`` if a choice is impossible, or if there is none."""
    chosen = [item for item in items if item.pair.row and _will_change(item, choices)]
    if not chosen:
        raise Invalid("Select a key for at least one line.")
    if len({choices[item.number] for item in chosen}) < len(chosen):
        raise Invalid("You have selected one key for two lines.")
    return chosen


def _will_change(item: Item, choices: Mapping[int, UUID]) -> bool:
    key = _choice(item, choices)
    return key is not None and (_is_active(item) or is_by_hand(key))


def _choice(item: Item, choices: Mapping[int, UUID]) -> KeyFacts | None:
    chosen = choices.get(item.number)
    if chosen is None:
        return None
    key = next((one for one in item.pair.candidates if one.id == chosen and one.is_live), None)
    if key is None:
        raise Invalid(f"Line {item.number} can't be the key that you selected. Compare again.")
    return key


def _is_active(item: Item) -> bool:
    return item.pair.row is not None and item.pair.row.status is RowStatus.ACTIVE


def _decide(actor: Actor, items: list[Item], choices: Mapping[int, UUID], now: datetime) -> None:
    """Carry out the choices of a person. A row without a choice stays ambiguous."""
    chosen = [(item, key) for item in items if (key := _choice(item, choices)) is not None]
    _mark_as_seen(actor, [key for item, key in chosen if _is_active(item)], now)
    for item, key in chosen:
        if not _is_active(item):
            _declare_removed(actor, key, item.pair.row.shown if item.pair.row else "", now)
