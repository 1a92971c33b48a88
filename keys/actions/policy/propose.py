"""Propose a policy. It comes into force at once if nobody else must approve it, or nobody else could."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.models import PeriodicJob, PolicyVersion, Throttle
from keys.rules.errors import Conflict, Invalid, PreviewChanged
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.rules.policy.written import NotAPolicyError, digest, read
from keys.selectors.policy.approvers import check_has_approvers, check_removed_nobody, people_who_may_approve
from keys.selectors.policy.preview import Preview, preview
from keys.validation.text import check_reason

State = PolicyVersion.State
IN_TURN = "policy"
"""The name of the lock that lets one process at a time change the policy."""


def propose_policy(actor: Actor, document: str, *, reason: str, seen: str) -> PolicyVersion:
    """Store ``document`` as the next version. ``seen``: the digest of the preview that the person has seen.

    Raises ``Invalid`` if it is not a policy, changes nothing, or cannot be met, ``PreviewChanged`` if the
    preview has another answer by now, and ``Conflict`` if another proposal waits, or if nobody else can
    approve it because the author has just removed them.
    """
    actor = authorize_now(actor, Action.CHANGE_POLICY)
    check_reason(reason)
    found = checked_preview(document)
    if found.digest != seen:
        raise PreviewChanged
    with transaction.atomic():
        Throttle.objects.locked(IN_TURN)
        _check_is_next(found)
        version = _new(actor, found, reason)
        log.append(
            Event.POLICY_PROPOSED,
            actor=actor,
            reason=reason,
            **version_details(version),
            base=found.base,
            preview_digest=seen,
            changes=[f"{change.label}: {change.effect}" for change in found.changes],
            newly_outside=found.newly,
            needs_approval=yes_no(value=version.needs_approval),
        )
        if version.state == State.ACTIVE:
            record_activation(actor, version, seen)
        else:
            _ask(actor, version)
    return version


def task_of(version: PolicyVersion) -> str:
    """Return the name of the notification that asks people to decide about the version."""
    return f"policy:{version.number}:{version.digest[:16]}"


def _ask(actor: Actor, version: PolicyVersion) -> None:
    notify(
        Kind.APPROVAL_DUE,
        words=f"{actor.name} proposes version {version.number} of the policy. Approve or decline it.",
        text=f"Reason: {version.reason}",
        path=reverse("keys:policy-version", args=[version.number]),
        to=people_who_may_approve(besides=actor.user_id),
        once=task_of(version),
    )


def checked_preview(document: str) -> Preview:
    """Return the preview of ``document``. Raises ``Invalid`` if it cannot become the policy."""
    try:
        policy = read(document)
    except NotAPolicyError as error:
        raise Invalid(document=str(error)) from error
    check_has_approvers(policy)
    found = preview(policy, timezone.now())
    if not found.changes:
        raise Invalid("This is the policy that is in force. Change a rule first.")
    return found


def _check_is_next(found: Preview) -> None:
    if found.base != number_in_force():
        raise PreviewChanged
    waiting = PolicyVersion.objects.filter(state=State.PROPOSED).select_related("author").first()
    if waiting is not None:
        raise Conflict(
            f"Version {waiting.number}, which {waiting.author.name} proposed, waits for a decision. Approve, "
            "decline or withdraw it first."
        )


def _new(actor: Actor, found: Preview, reason: str) -> PolicyVersion:
    now = timezone.now()
    alone = found.needs_approval and not people_who_may_approve(besides=actor.user_id).exists()
    if alone:
        check_removed_nobody(actor)
    is_active = alone or not found.needs_approval
    return PolicyVersion.objects.create(
        number=(PolicyVersion.objects.aggregate(newest=Max("number"))["newest"] or 0) + 1,
        document=found.document,
        digest=digest(found.document),
        base=found.base,
        reason=reason,
        author_id=actor.user_id,
        proposed_at=now,
        needs_approval=found.needs_approval,
        alone=alone,
        state=State.ACTIVE if is_active else State.PROPOSED,
        decided_by_id=actor.user_id if alone else None,
        decided_at=now if alone else None,
        starts_at=now if is_active else None,
    )


def number_in_force() -> int:
    version = PolicyVersion.in_force()
    return version.number if version else 0


def version_details(version: PolicyVersion) -> dict[str, Any]:
    """Return the details by which an event names a version."""
    return {"version": version.number, "document_digest": version.digest}


def record_activation(actor: Actor, version: PolicyVersion, seen: str) -> None:
    """Record that the version came into force, and let the worker compare the keys with it at once."""
    PeriodicJob.objects.filter(name="findings").update(due_at=timezone.now())
    log.append(
        Event.POLICY_ACTIVATED,
        actor=actor,
        **version_details(version),
        base=version.base,
        preview_digest=seen,
        alone=yes_no(value=version.alone),
    )


def yes_no(*, value: bool) -> str:
    return "yes" if value else "no"
