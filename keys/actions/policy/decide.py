"""Approve, decline or withdraw a proposed policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.notifications.settle import settle
from keys.actions.people.confirm_role import authorize_now
from keys.actions.policy.propose import (
    IN_TURN,
    checked_preview,
    number_in_force,
    record_activation,
    task_of,
    version_details,
)
from keys.audit import log
from keys.audit.guard import record_refusal
from keys.models import PolicyVersion, Throttle
from keys.rules.errors import Conflict, NotAllowed, NotFound, PreviewChanged
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.rules.policy.decisions import NOT_ALLOWED, Against, Proposal
from keys.validation.text import check_reason

State = PolicyVersion.State
_DONE = {State.ACTIVE: "approved", State.DECLINED: "declined"}


def approve_policy(actor: Actor, number: int, *, seen: str) -> PolicyVersion:
    """Put the proposed version into force. ``seen``: the digest of the preview that the person has seen.

    Raises ``NotAllowed`` for its author, ``PreviewChanged`` if the preview has another answer by now, and
    ``Conflict`` if the version is decided, or another one has come into force since it was proposed.
    """
    actor = authorize_now(actor, Action.CHANGE_POLICY)
    version = _proposed(number)
    for reason in proposal_of(version).against(actor.user_id):
        if reason in NOT_ALLOWED:
            _refuse(actor, reason.value)
        raise Conflict(reason.value)
    if checked_preview(version.document).digest != seen:
        raise PreviewChanged
    now = timezone.now()
    with transaction.atomic():
        Throttle.objects.locked(IN_TURN)
        if Against.OUTDATED in proposal_of(version).against(actor.user_id):
            raise PreviewChanged
        _decide(actor, version, State.ACTIVE, now, starts_at=now)
        record_activation(actor, version, seen)
    return version


def decline_policy(actor: Actor, number: int, *, reason: str) -> PolicyVersion:
    """End the proposal of another person. Raises ``Invalid`` without a reason, and ``Conflict``."""
    actor = authorize_now(actor, Action.CHANGE_POLICY)
    version = _proposed(number)
    if version.author_id == actor.user_id:
        _refuse(actor, "You proposed this policy. Withdraw it instead.")
    check_reason(reason)
    with transaction.atomic():
        _decide(actor, version, State.DECLINED, timezone.now(), verdict=reason)
        log.append(Event.POLICY_DECLINED, actor=actor, reason=reason, **version_details(version))
    return version


def withdraw_policy(actor: Actor, number: int) -> PolicyVersion:
    """End one's own proposal. Raises ``NotAllowed`` for other people, and ``Conflict`` if it is decided."""
    actor = authorize_now(actor, Action.CHANGE_POLICY)
    version = _proposed(number)
    if version.author_id != actor.user_id:
        _refuse(actor, "Another person proposed this policy. Decline it instead.")
    with transaction.atomic():
        _decide(actor, version, State.WITHDRAWN, timezone.now())
        log.append(Event.POLICY_WITHDRAWN, actor=actor, **version_details(version))
    return version


def _proposed(number: int) -> PolicyVersion:
    version = PolicyVersion.objects.select_related("author").filter(number=number).first()
    if version is None:
        raise NotFound("There is no such version of the policy.")
    if version.state != State.PROPOSED:
        raise Conflict(f"Version {number} is already decided.")
    return version


def proposal_of(version: PolicyVersion) -> Proposal:
    return Proposal(
        author=version.author_id,
        is_open=version.state == State.PROPOSED,
        is_intact=version.is_intact,
        base=version.base,
        in_force=number_in_force(),
    )


def _refuse(actor: Actor, reason: str) -> None:
    record_refusal(actor, Action.CHANGE_POLICY, None, reason)
    raise NotAllowed(reason, allowed=[])


def _decide(actor: Actor, version: PolicyVersion, state: str, now: datetime, **columns: Any) -> None:
    """Change the state once. Raises ``Conflict`` if another person was faster."""
    decided = {"state": state, "decided_by_id": actor.user_id, "decided_at": now, **columns}
    open_still = PolicyVersion.objects.filter(pk=version.pk, state=State.PROPOSED, digest=version.digest)
    if open_still.update(**decided) != 1:
        raise Conflict(f"Version {version.number} is already decided.")
    for name, value in decided.items():
        setattr(version, name, value)
    settle(Kind.APPROVAL_DUE, once=task_of(version))
    if version.author_id != actor.user_id:
        notify(
            Kind.REQUEST_ENDED,
            words=f"{actor.name} {_DONE[State(state)]} version {version.number}, your proposal of a policy.",
            text=columns.get("verdict", ""),
            path=reverse("keys:policy-version", args=[version.number]),
            to=[version.author],
        )
