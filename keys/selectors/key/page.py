"""Return one key, or the data of its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import LISTED, ApiKey, AuditEvent, PolicyException, RevealGrant, RotationTask, User
from keys.rules import formatting, permissions
from keys.rules import scopes as catalogue
from keys.rules.errors import Conflict, Invalid, NeedsApproval, NotAllowed, NotFound
from keys.rules.events import BEGINS
from keys.rules.lifecycle import CAVEAT, ENDED, Phase, State, Status, status
from keys.rules.permissions import Action, Actor, Role
from keys.rules.policy.violations import Violation
from keys.rules.readings import counts
from keys.rules.rotation import ROTATED
from keys.selectors.activity.acts import Shown
from keys.selectors.activity.table import story_of
from keys.selectors.key.reach import ReachOfKey, reach_of
from keys.selectors.key.rotation_task import rotation_task_of
from keys.selectors.policy.enforce import check_widening
from keys.selectors.policy.facts import exceptions_of, violations_of
from keys.selectors.requests.needs import approvals_to_widen
from keys.selectors.reviews.certificate import CertificateOfKey, certificate_of

PEOPLE = ("owner", "seen_by", "use_read_by", "expiry_read_by")


def key_for(actor: Actor, key_id: UUID) -> ApiKey:
    """Return the key with its owner. Raise ``NotFound`` also if the actor may not know that it exists."""
    key = ApiKey.objects.select_related(*PEOPLE).filter(pk=key_id).first()
    if key is None:
        raise NotFound("There is no such API key, or you may not see it.")
    try:
        authorize(actor, Action.SEE_KEY, key)
    except NotAllowed as refusal:
        raise NotFound("There is no such API key, or you may not see it.") from refusal
    return key


MANAGED_IN_CERBY = frozenset({State.CLAIMED, State.HELD, State.REVOKING})
"""In these states, a key without a Cerby id can only be changed and deleted in Cerby's web app."""


def grant_of(key: ApiKey) -> RevealGrant | None:
    return RevealGrant.objects.filter(key=key).first()


@dataclass(frozen=True)
class Switch:
    """One scope on the key's page. ``writes``: the scope can change or delete data.

    ``asks``: turning it on needs a confirmation.
    """

    id: str
    label: str
    description: str
    writes: bool
    on: bool
    may_turn: bool

    @property
    def asks(self) -> bool:
        return self.writes and not self.on


@dataclass(frozen=True)
class KeyPage:
    """The data for the page. ``by_hand``: the key can be changed and deleted only in Cerby's web app.

    ``same_name``: another key in use with this name and owner. ``why_not`` says why the actor may not add
    scopes, or is empty if they may. ``is_explained``: the audit log says how the key came into the
    inventory. ``violations``: the rules of the policy that the key does not meet.
    ``exceptions``: those that wait or are in force. ``may_except``: whether the reader may ask for one.
    """

    key: ApiKey
    same_name: ApiKey | None
    status: Status
    caveat: str
    grant: RevealGrant | None
    switches: list[Switch]
    story: list[Shown]
    may_delete: bool
    may_view: bool
    may_paste: bool
    by_hand: bool
    may_adopt: bool
    may_edit: bool
    may_correct: bool
    may_withdraw: bool
    is_orphan: bool
    review_is_due: bool
    why_not: str
    keys_path: str
    may_read: bool
    seen: str
    last_used_note: str
    expires_note: str
    expires_today: bool
    is_explained: bool
    reach: ReachOfKey | None
    may_accept_reach: bool
    may_rotate: bool
    rotation_task: RotationTask | None
    violations: list[Violation]
    exceptions: list[PolicyException]
    may_except: bool
    certificate: CertificateOfKey | None


def key_page(actor: Actor, key_id: UUID) -> KeyPage:
    """Return the data for the page. Raise ``NotFound`` as ``key_for`` does."""
    key = key_for(actor, key_id)
    now = timezone.now()
    current = status(key.phase, key.expires_at, now)
    return KeyPage(
        key=key,
        same_name=_same_name(actor, key) if key.phase == Phase.LIVE else None,
        status=current,
        caveat=CAVEAT.get(State(key.state), ""),
        grant=grant_of(key),
        switches=_switches(actor, key, active=current is Status.ACTIVE and not key.is_deleted_by_hand),
        story=story_of(key),
        may_delete=actor.may(Action.DELETE_KEY, key) and key.state not in ENDED,
        may_view=key.state == State.READY and actor.may(Action.REVEAL_KEY, key),
        may_paste=key.state == State.AWAITED and actor.may(Action.REVEAL_KEY, key),
        by_hand=key.is_deleted_by_hand and key.state in MANAGED_IN_CERBY,
        may_adopt=key.needs_adoption and actor.may(Action.ADOPT_KEY, key),
        may_edit=actor.may(Action.EDIT_KEY, key),
        may_correct=key.is_only_registered and actor.may(Action.CORRECT_KEY, key),
        may_withdraw=key.is_only_registered and actor.may(Action.WITHDRAW_KEY, key),
        is_orphan=current is Status.ACTIVE and key.orphan is not None,
        review_is_due=current is Status.ACTIVE and key.is_review_due(timezone.localdate()),
        why_not=permissions.refusal(actor, Action.WIDEN_KEY, key) or "",
        may_read=may_be_read(key) and actor.may(Action.ENTER_READING, key),
        seen=formatting.confirmed(key.seen_by.name, key.seen_at) if key.seen_by and key.seen_at else "",
        last_used_note=_reading(key.use_read_by, key.use_read_at, key),
        expires_note=_reading(key.expiry_read_by, key.expiry_read_at, key),
        expires_today=current is Status.ACTIVE
        and formatting.in_local_time(key.expires_at).date() == timezone.localdate(),
        is_explained=AuditEvent.objects.filter(key_id=key.pk, type__in=BEGINS).exists(),
        may_rotate=key.state in ROTATED and current is Status.ACTIVE and actor.may(Action.ROTATE_KEY, key),
        certificate=certificate_of(key) if current is Status.ACTIVE else None,
        rotation_task=rotation_task_of(key) if current is Status.ACTIVE else None,
        keys_path=settings.CERBY_KEYS_PATH,
        reach=reach_of(key),
        violations=violations_of(key, now),
        exceptions=exceptions_of(key) if current is Status.ACTIVE else [],
        may_except=current is Status.ACTIVE and actor.may(Action.ASK_EXCEPTION, key),
        may_accept_reach=key.reach_grew_at is not None and actor.may(Action.ACCEPT_REACH, key),
    )


def _same_name(actor: Actor, key: ApiKey) -> ApiKey | None:
    same = ApiKey.objects.filter(LISTED, name_order=key.name_order, owner=key.owner, phase=Phase.LIVE)
    other = same.exclude(pk=key.pk).first()
    return other if other and actor.may(Action.SEE_KEY, other) else None


def may_be_read(key: ApiKey) -> bool:
    """Return whether only people can tell the portal when the key was last used and when it expires."""
    return key.is_deleted_by_hand and key.phase == Phase.LIVE


def _reading(by: User | None, at: datetime | None, key: ApiKey) -> str:
    return formatting.reading(by.name, at) if by and at and counts(at, key.confirmed_at) else ""


@dataclass(frozen=True)
class Widening:
    """The question whether to turn ``scope`` on for ``key``. ``owner_role`` is a label.

    ``needed``: if other people must approve it, that error.
    """

    key: ApiKey
    scope: catalogue.Scope
    owner_role: str
    needed: NeedsApproval | None = None


def widening(actor: Actor, key_id: UUID, scope: str) -> Widening:
    """Return the question. Raise ``NotFound``, ``NotAllowed``, ``Conflict``, or ``Invalid``."""
    key = key_for(actor, key_id)
    authorize(actor, Action.WIDEN_KEY, key)
    offered = {known.id: known for known in catalogue.offered(settings.PORTAL_EXTRA_SCOPES)}
    if scope not in offered:
        raise Invalid(scopes="This is not an available scope. Choose one on the key's page.")
    if scope in key.scopes:
        raise Conflict(f"“{catalogue.label(scope)}” is on already. Reload the page.")
    after = catalogue.in_order([*key.scopes, scope])
    needed = approvals_to_widen(key, after) if catalogue.widens(key.scopes, after) else 0
    if catalogue.widens(key.scopes, after):
        # In an emergency, a person may go on in a freeze as well, so they must see the question.
        check_widening(key, after, timezone.now(), urgent=bool(needed) and actor.may(Action.BREAK_GLASS))
    asks = NeedsApproval(needed) if needed else None
    return Widening(key, offered[scope], Role(key.owner.role).label, asks)


def _switches(actor: Actor, key: ApiKey, *, active: bool) -> list[Switch]:
    """Return a switch for each scope of the key, and if it is ``active`` for each available scope."""
    offered = [scope.id for scope in catalogue.offered(settings.PORTAL_EXTRA_SCOPES)] if active else []
    return [
        _switch(actor, key, scope, active=active)
        for scope in [*offered, *(held for held in key.scopes if held not in offered)]
    ]


def _switch(actor: Actor, key: ApiKey, scope: str, *, active: bool) -> Switch:
    on = scope in key.scopes
    known = catalogue.CATALOGUE.get(scope)
    is_last = on and len(key.scopes) == 1
    turn = Action.NARROW_KEY if on else Action.WIDEN_KEY
    return Switch(
        id=scope,
        label=catalogue.label(scope),
        description=known.description if known else "The portal does not know this scope.",
        writes=known.writes if known else True,
        on=on,
        may_turn=active and not is_last and actor.may(turn, key),
    )
