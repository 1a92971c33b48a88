"""Carry out one group of a comparison with Cerby's web app, after a person has seen and confirmed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from functools import partial
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.register import add_key, wait_for_other_declarations
from keys.actions.people.confirm_role import authorize_now
from keys.actions.people.refresh import create_unknown_users
from keys.actions.transition import transition
from keys.audit import log
from keys.models import ApiKey, Comparison, RevealGrant, User
from keys.rules.batches import batches
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Phase, State, Transition
from keys.rules.pasted_cells import RowStatus
from keys.rules.policy import Action, Actor
from keys.selectors.compare.matching import Group, KeyFacts
from keys.selectors.compare.people import directory
from keys.selectors.compare.plan import Item, Paste, Plan, is_by_hand, plan_with, read_paste
from keys.validation import existing_key, new_key
from keys.validation.existing_key import Registration

AT_ONCE = 500


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


def confirm_group(actor: Actor, paste: Paste, confirmed: Confirmation) -> int:
    """Carry out ``confirmed`` in one transaction, and return the number of keys that it concerned.

    The comparison is repeated inside the transaction, while no other one can be carried out and nobody else
    can declare keys. Raises ``AnswerChanged`` if its result differs from the one that was shown, and
    ``Invalid`` for a purpose.
    """
    actor = authorize_now(actor, Action.COMPARE_INVENTORY)
    if confirmed.group is Group.MISSING_HERE:
        actor = authorize_now(actor, Action.REGISTER_KEY)
    actor = replace(actor, part_of=str(uuid4()))
    table = read_paste(paste)
    people = directory(table.rows)  # may ask Cerby, so before the transaction
    now = timezone.now()
    planned = partial(plan_with, table, people, whole=paste.whole, now=now)
    try:
        return _confirm(actor, confirmed, planned, now)
    except IntegrityError as error:
        if not existing_key.is_taken(error):
            raise
        raise AnswerChanged(planned()) from error  # somebody has just added one of the keys


def _confirm(actor: Actor, confirmed: Confirmation, planned: Callable[[], Plan], now: datetime) -> int:
    with transaction.atomic():
        _let_others_wait(now)
        wait_for_other_declarations()
        plan = planned()
        if plan.digest(confirmed.group) != confirmed.shown:
            raise AnswerChanged(plan)
        count = _carry_out(actor, confirmed, plan, now)
        if plan.whole:
            Comparison.objects.filter(pk=Comparison.ONLY).update(whole_at=now)
        log.append(
            Event.INVENTORY_COMPARED,
            actor=actor,
            group=confirmed.group.value,
            count=count,
            rows=len(plan.table.rows),
            unreadable=len(plan.table.unreadable) + plan.table.more_unreadable,
            whole_table=plan.whole,
        )
    return count


def _let_others_wait(now: datetime) -> None:
    """Change the one row of the comparisons, so that no other comparison is carried out until the commit."""
    Comparison.objects.bulk_create([Comparison()], ignore_conflicts=True)
    Comparison.objects.filter(pk=Comparison.ONLY).update(confirmed_at=now)


def _carry_out(actor: Actor, confirmed: Confirmation, plan: Plan, now: datetime) -> int:
    items = plan.doable(confirmed.group)
    match confirmed.group:
        case Group.CONFIRMED:
            _mark_as_seen(actor, [item.pair.key for item in items if item.pair.key], now)
        case Group.MISSING_HERE:
            _adopt(actor, items, confirmed, now)
        case Group.MISSING_THERE | Group.REMOVED_THERE:
            for item in items:
                assert item.pair.key is not None  # only rows without a key are in other groups
                _declare_removed(actor, item.pair.key, item.pair.row.shown if item.pair.row else "", now)
        case Group.AMBIGUOUS:
            return _decide(actor, items, confirmed.choices, now)
    return len(items)


def _mark_as_seen(actor: Actor, keys: list[KeyFacts], now: datetime) -> None:
    for batch in batches([key.id for key in keys], AT_ONCE):
        live = ApiKey.objects.filter(pk__in=batch, phase=Phase.LIVE)
        if live.update(seen_at=now, seen_by=actor.user_id) != len(batch):
            raise Conflict("A key has just been changed. Compare again.")
    for key in keys:
        row = ApiKey(pk=key.id, name=key.name)
        log.append(Event.KEY_CONFIRMED, actor=actor, key=row, seen_at=utc_microseconds(now))


def _adopt(actor: Actor, items: list[Item], confirmed: Confirmation, now: datetime) -> None:
    """Add the keys as declared keys. The table shows neither their scopes nor when they expire."""
    purposes = [confirmed.purposes.get(item.number, "") or confirmed.purpose for item in items]
    for purpose in purposes:
        new_key.check_purpose(purpose)
    create_unknown_users([item.owner for item in items if isinstance(item.owner, cerby.Person)])
    emails = {item.owner.email.lower() for item in items if item.owner}
    owners = {
        user.email: user
        for batch in batches(sorted(emails), AT_ONCE)
        for user in User.objects.filter(email__in=batch)
    }
    named = [(item.pair.row.name, item.owner.email.lower()) for item in items if item.pair.row and item.owner]
    taken = set(existing_key.taken(named))
    for item, purpose in zip(items, purposes, strict=True):
        row = item.pair.row
        assert row is not None
        assert item.owner is not None  # an item without an owner has a problem
        made = (
            datetime.combine(row.created.day, time.min, tzinfo=timezone.get_current_timezone())
            if row.created
            else None
        )
        registration = Registration(
            name=row.name,
            owner_email=item.owner.email.lower(),
            purpose=purpose,
            expires_at=EXPIRY_NOT_KNOWN,
            scopes=(),
            created_at=min(made.astimezone(UTC), now) if made else None,
        )
        # Cerby allows several keys with one name, and its table may have them.
        is_first = existing_key.identity(registration) not in taken
        taken.add(existing_key.identity(registration))
        key = add_key(actor, registration, owners[registration.owner_email], holds_name=is_first)
        ApiKey.objects.filter(pk=key.pk).update(seen_at=now, seen_by=actor.user_id)
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


def _decide(actor: Actor, items: list[Item], choices: Mapping[int, UUID], now: datetime) -> int:
    """Carry out the choices of a person. A row without a choice stays ambiguous."""
    seen: list[KeyFacts] = []
    removed: list[tuple[KeyFacts, str]] = []
    for item in items:
        row = item.pair.row
        choice = choices.get(item.number)
        if row is None or choice is None:
            continue
        key = next((one for one in item.pair.candidates if one.id == choice and one.is_live), None)
        if key is None:
            raise Invalid(f"Line {item.number} can't be the key that you selected. Compare again.")
        if row.status is RowStatus.ACTIVE:
            seen.append(key)
        elif is_by_hand(key):
            removed.append((key, row.shown))
    chosen = [key.id for key in (*seen, *(key for key, _ in removed))]
    if not chosen:
        raise Invalid("Select a key for at least one line.")
    if len(set(chosen)) < len(chosen):
        raise Invalid("You have selected one key for two lines.")
    _mark_as_seen(actor, seen, now)
    for key, shown in removed:
        _declare_removed(actor, key, shown, now)
    return len(chosen)
