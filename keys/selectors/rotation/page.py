"""Return the page of one rotation, and the card with its proofs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from keys.models import ApiKey, AuditEvent, Rotation
from keys.models.rotation import seen_until
from keys.rules import formatting
from keys.rules.events import Event
from keys.rules.lifecycle import PHASE, Phase, State
from keys.rules.permissions import Action, Actor
from keys.rules.rotation import Because, Proof, RotationState, Sight
from keys.selectors.activity.acts import Shown
from keys.selectors.activity.table import newest
from keys.selectors.rotation.find import open_rotation_of, rotation_for

ROTATION_EVENTS = "rotation:"
_ENDED_WORDS = {
    Phase.REMOVED: "It was deleted.",
    Phase.FAILED: "It was never generated.",
    Phase.PENDING: "It is being deleted.",
}
MOST_EVENTS = 200


@dataclass(frozen=True)
class ProofLine:
    """``source``: who or what says so. ``declared``: a person's reading, not Cerby's list, says so.

    ``read``: the key of which a person can enter a reading, or None.
    """

    label: str
    done: bool
    words: str
    source: str = ""
    declared: bool = False
    read: ApiKey | None = None


@dataclass(frozen=True)
class Card:
    """The state of a rotation with its three proofs. ``warning``: words if the card must be amber.

    ``may_store``: the actor can store the new key now. ``has_ended``: the rotation is over. ``was_killed``:
    the old key was deleted with Kill now. ``may_have_leaked``: the old key goes first, so it must be killed.
    """

    rotation: Rotation
    state: RotationState
    because: str
    proofs: list[ProofLine]
    warning: str
    quiet_after: str
    overlap_ends: str
    is_proven: bool
    is_unused: bool
    has_ended: bool
    was_killed: bool
    may_store: bool
    may_retire: bool
    may_change: bool

    @property
    def state_label(self) -> str:
        return "Killed" if self.was_killed else self.state.label

    @property
    def may_have_leaked(self) -> bool:
        return self.rotation.because == Because.LEAK and not self.has_ended

    @property
    def new_key_words(self) -> str:
        """Return what became of the new key if the rotation was called off."""
        if self.state is not RotationState.CALLED_OFF:
            return ""
        return _ENDED_WORDS.get(PHASE[State(self.rotation.new.state)], "It is still in use.")

    @property
    def may_retire_now(self) -> bool:
        return self.may_retire and not self.has_ended and self.state is not RotationState.PREPARING

    @property
    def may_extend(self) -> bool:
        return self.may_change and not self.has_ended and self.state is not RotationState.PREPARING

    @property
    def is_longest(self) -> bool:
        """Return whether the overlap lasts until the old key expires, so that it cannot be extended."""
        return self.rotation.old.expires_at <= max(self.rotation.overlap_until, timezone.now())

    @property
    def may_call_off(self) -> bool:
        return self.may_change and not self.has_ended and self.is_unused


@dataclass(frozen=True)
class RotationPage:
    card: Card
    story: list[Shown]


def rotation_page(actor: Actor, rotation_id: UUID) -> RotationPage:
    """Return the data for the page. Raise ``NotFound`` as ``rotation_for`` does."""
    rotation = rotation_for(actor, rotation_id)
    return RotationPage(card_of(actor, rotation), _story(rotation))


def open_card(actor: Actor, key: ApiKey) -> Card | None:
    """Return the card of the rotation of ``key`` that is under way, or None."""
    rotation = open_rotation_of(key)
    return card_of(actor, rotation) if rotation else None


def card_of(actor: Actor, rotation: Rotation) -> Card:
    sight, now = rotation.sight(), timezone.now()
    new = rotation.new
    return Card(
        rotation=rotation,
        state=RotationState(rotation.state),
        because=Because(rotation.because).label,
        proofs=[_stored(rotation), _used(rotation, sight), _quiet(rotation, sight)],
        warning=_warning(rotation, now) if rotation.is_open else "",
        quiet_after=formatting.duration(sight.quiet_after),
        overlap_ends=formatting.exact(rotation.overlap_until),
        is_proven=sight.proof is Proof.QUIET,
        is_unused=sight.new_used_at is None,
        has_ended=not rotation.is_open,
        was_killed=bool(killed([(rotation.pk, rotation.old_id)])),
        may_store=new.state in {State.READY, State.CLAIMED, State.AWAITED}
        and actor.may(Action.REVEAL_KEY, new),
        may_retire=actor.may(Action.RETIRE_KEY, rotation.old),
        may_change=actor.may(Action.CHANGE_ROTATION, rotation.old) and actor.may(Action.DELETE_KEY, new),
    )


def killed(rotations: Iterable[tuple[UUID, UUID]]) -> set[UUID]:
    """Return those of ``rotations``, each with the id of its old key, that ended with Kill now."""
    old_keys = [old for _, old in rotations]
    events = AuditEvent.objects.filter(key_id__in=old_keys, type=Event.ROTATION_KILLED)
    return {UUID(details["rotation"]) for details in events.values_list("details", flat=True)}


def _story(rotation: Rotation) -> list[Shown]:
    events = AuditEvent.objects.filter(key_id=rotation.old_id, type__startswith=ROTATION_EVENTS)
    ours = [
        pk
        for pk, details in events.order_by("-at", "-id").values_list("pk", "details")[:MOST_EVENTS]
        if details.get("rotation") == str(rotation.pk)
    ]
    return newest(AuditEvent.objects.filter(pk__in=ours), MOST_EVENTS)


def _stored(rotation: Rotation) -> ProofLine:
    new = rotation.new
    label = "The new key is stored"
    if new.state == State.HELD and new.stored_at:
        return ProofLine(label, done=True, words=f"On {formatting.exact(new.stored_at)}")
    if new.state == State.CLAIMED and rotation.stored_at:
        return ProofLine(label, done=True, words="Nobody confirmed it, but the key is in use")
    if PHASE[State(new.state)] in {Phase.FAILED, Phase.REMOVED}:
        return ProofLine(label, done=rotation.stored_at is not None, words="The new key has ended")
    return ProofLine(label, done=False, words=_not_yet(rotation))


def _used(rotation: Rotation, sight: Sight) -> ProofLine:
    used = sight.new_used_at
    words = f"Last used on {formatting.exact(used)}" if used else _not_yet(rotation)
    return _with_source(rotation.new, "The new key is used", done=used is not None, words=words)


def _quiet(rotation: Rotation, sight: Sight) -> ProofLine:
    old, after = rotation.old, formatting.duration(sight.quiet_after)
    used = old.last_used_at
    words = f"Last used on {formatting.exact(used)}. " if used else "No use is known. "
    if rotation.is_open:
        words += f"It counts as quiet if it is not used for {after} once the new key is in use"
    return _with_source(old, "The old key is quiet", done=sight.is_quiet, words=words.rstrip(". "))


def _with_source(key: ApiKey, label: str, *, done: bool, words: str) -> ProofLine:
    by_hand, at = key.is_deleted_by_hand, seen_until(key)
    read = key if by_hand and key.phase == Phase.LIVE else None
    if by_hand:
        source = formatting.reading(key.use_read_by.name, at) if at and key.use_read_by else "No reading yet"
    else:
        source = f"According to Cerby's list of {_at(at)}" if at else "Cerby's list was not read since"
    return ProofLine(label, done, words, source, declared=by_hand, read=read)


def _not_yet(rotation: Rotation) -> str:
    return "Not yet" if rotation.is_open else "It was not, before the rotation ended"


def _at(moment: datetime) -> str:
    return formatting.exact(moment)


def _warning(rotation: Rotation, now: datetime) -> str:
    if rotation.returned_at is not None and rotation.used_at is None:
        return (
            f"The old key was used again on {formatting.exact(rotation.returned_at)}, although the new one "
            "is in use. Some software still has it. Nothing was deleted."
        )
    if rotation.state == RotationState.OVERDUE or (
        rotation.state != RotationState.PREPARING and rotation.overlap_until <= now
    ):
        return "The overlap is over, and both keys still work. Retire the old key, or extend the overlap."
    return ""
