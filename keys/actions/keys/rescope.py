"""Add a scope to a live key, or remove one."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.repair import repair_keys
from keys.actions.keys.settle_scopes import settle_scopes
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.use import use
from keys.actions.reviews.void import follow_certificate
from keys.audit import log
from keys.models import AccessRequest, ApiKey, ScopeChange
from keys.rules.errors import CerbyError, CerbyInDoubt, Conflict, NeedsApproval, OutOfDate
from keys.rules.events import Event
from keys.rules.formatting import scope_summary
from keys.rules.lifecycle import Status, status
from keys.rules.permissions import Action, Actor
from keys.rules.requests import RequestState
from keys.rules.scopes import in_order, widens
from keys.selectors.key.page import key_for
from keys.selectors.policy.enforce import check_widening
from keys.selectors.requests.needs import approvals_to_widen
from keys.selectors.requests.widening import why_out_of_date
from keys.validation import new_key

WAITS_FOR = 5.0
"""Seconds to wait for another change of the same key, which takes well under one if Cerby answers."""
LOOKS_AGAIN_AFTER = 0.1
SAID = 20
"""Scopes that a message names."""
A_PERSON_WAITS = 5.0
"""Seconds that a person waits for Cerby to confirm the present scopes."""


def needs(key: ApiKey, scope: str, *, on: bool) -> Action:
    """Return the action that adding or removing ``scope`` requires: widening needs more rights."""
    return Action.WIDEN_KEY if widens(key.scopes, changed(key, scope, on=on)) else Action.NARROW_KEY


def changed(key: ApiKey, scope: str, *, on: bool) -> list[str]:
    """Return the scopes of ``key`` with or without ``scope``."""
    others = [held for held in key.scopes if held != scope]
    return in_order([*others, scope] if on else others)


def rescope_key(actor: Actor, key_id: UUID, scope: str, *, on: bool, under: UUID | None = None) -> ApiKey:
    """Add ``scope`` to the key ``key_id``, or remove it, in Cerby and in the inventory.

    The new set is computed from the key's row while no other process changes it, so that two people who
    change one key at the same time both succeed. Cerby is not called if the scopes are the same. ``under``:
    the approved request, which is used in the transaction that records the change.

    Raises ``Invalid`` if ``scope`` is unknown, the key's last one, or outside the policy, ``Conflict`` if the
    key is not active, another change takes too long, or the key has other scopes in Cerby, ``NeedsApproval``
    if other people must approve it and there is no request, ``OutOfDate``, and ``CerbyError``.
    """
    key = key_for(actor, key_id)
    settle_scopes(key)
    action = needs(key, scope, on=on)
    actor = authorize_now(actor, action, key)
    if on:
        new_key.check_scopes([scope])
    change = _start(actor, action, key_id, scope, on=on, under=under)
    if change is None:
        return key_for(actor, key_id)
    _check_is_current(actor, change)
    try:
        scopes = _rescope_in_cerby(change)
    except CerbyError as error:
        _fail(actor, change, error)
        raise
    return _store(actor, change, scopes)


def _start(
    actor: Actor, allowed: Action, key_id: UUID, scope: str, *, on: bool, under: UUID | None
) -> ScopeChange | None:
    """Take the lease, and record the change before Cerby is called. Return None if nothing would change."""
    ends = time.monotonic() + WAITS_FOR
    while True:
        with transaction.atomic():
            key = (
                ApiKey.objects.select_for_update(of=("self",), no_key=True)
                .select_related("owner")
                .get(pk=key_id)
            )
            if not ScopeChange.is_running(key):
                if needs(key, scope, on=on) not in {allowed, Action.NARROW_KEY}:
                    raise Conflict("This key has just been changed. Reload the page and try again.")
                return _record_start(actor, key, changed(key, scope, on=on), under)
        if time.monotonic() > ends:
            raise Conflict("This key's scopes are being changed at this moment. Try again in a minute.")
        time.sleep(LOOKS_AGAIN_AFTER)


def check_active(key: ApiKey, now: datetime) -> None:
    """Raise ``Conflict`` if the portal cannot change the scopes of ``key``."""
    if key.is_deleted_by_hand or status(key.phase, key.expires_at, now) is not Status.ACTIVE:
        raise Conflict("Only an active key's scopes can be changed.")


def _record_start(actor: Actor, key: ApiKey, after: list[str], under: UUID | None) -> ScopeChange | None:
    now = timezone.now()
    check_active(key, now)
    request = AccessRequest.objects.get(pk=under) if under is not None else None
    if request is not None and request.state == RequestState.APPROVED:
        _check_as_approved(request, key)
    if set(after) == set(key.scopes):
        return None
    if not after:
        new_key.check_scopes(after)
    if widens(key.scopes, after):
        check_widening(key, after, now, urgent=request is not None and request.is_break_glass)
        if request is None and (needed := approvals_to_widen(key, after)):
            raise NeedsApproval(needed)
    change = ScopeChange(key=key, actor_id=actor.user_id, after=after, until=now + ScopeChange.LEASE)
    change.save(force_insert=True)
    approved: dict[str, Any] = {}
    if request is not None:
        used = use(actor, request.pk, subject=key.pk)
        _check_as_approved(used, key)
        approved = {"request": str(used.pk), "digest": used.digest}
    log.append(Event.KEY_RESCOPE_STARTED, actor=actor, key=key, before=key.scopes, after=after, **approved)
    return change


def _check_as_approved(request: AccessRequest, key: ApiKey) -> None:
    """Raise ``OutOfDate`` if the key, its owner or the policy is not as it was approved."""
    if reason := why_out_of_date(request, key):
        raise OutOfDate(reason)


def _check_is_current(actor: Actor, change: ScopeChange) -> None:
    """Check that the key still has the scopes in Cerby from which ``change`` was computed.

    Otherwise the change would silently undo another one, made in Cerby's web app. Store Cerby's scopes then,
    and raise ``Conflict``. Raises ``CerbyError`` if Cerby does not answer soon.
    """
    key = change.key
    assert key.cerby_id is not None
    try:
        found = in_order(cerby.connect().key(key.cerby_id, within=A_PERSON_WAITS).scopes)
    except CerbyError as error:
        _cancel(actor, change, error.sentence)
        raise
    if set(found) == set(key.scopes):
        return
    sentence = (
        f"This key has other scopes in Cerby than in the inventory: {scope_summary(found, SAID)}. "
        "Nothing was changed in Cerby, and the inventory shows them now. Reload the page and try again."
    )
    repair_keys([key])  # the row may be wrong, not Cerby
    with transaction.atomic():
        row = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        _cancel(actor, change, sentence)
        if set(row.scopes) != set(found):
            ApiKey.objects.filter(pk=key.pk).update(scopes=found)
            before, after = {"scopes": row.scopes}, {"scopes": found}
            log.append(Event.KEY_CHANGED, actor=None, key=row, before=before, after=after)
            follow_certificate(row.pk, None)
    raise Conflict(sentence)


def _cancel(actor: Actor, change: ScopeChange, reason: str) -> None:
    """Forget a change that was not sent to Cerby, and record that it failed."""
    with transaction.atomic():
        ScopeChange.objects.filter(pk=change.pk).delete()
        _record(actor, change, outcome=log.Outcome.FAILED, reason=reason)


def _rescope_in_cerby(change: ScopeChange) -> list[str]:
    """Return the key's new scopes. If the answer is lost or shows others, read the key back."""
    client, cerby_id = cerby.connect(), change.key.cerby_id
    assert cerby_id is not None
    try:
        return in_order(client.rescope_key(cerby_id, change.after).scopes)
    except CerbyInDoubt as doubt:
        found: list[str] = change.key.scopes
        with suppress(CerbyError):  # report the first error, about the change itself
            found = in_order(client.key(cerby_id).scopes)
        if set(found) == set(change.after):
            return found
        if found != change.key.scopes:
            raise _OtherScopesError(change.after, found) from doubt
        raise


class _OtherScopesError(CerbyInDoubt):
    """Cerby shows neither the earlier scopes nor the requested ones."""

    def __init__(self, wanted: list[str], found: list[str]) -> None:
        super().__init__(
            f"Cerby did not set the requested scopes ({scope_summary(wanted, SAID)}). "
            f"According to Cerby, the key has: {scope_summary(found, SAID)}. Reload the page."
        )
        self.found = found


def _fail(actor: Actor, change: ScopeChange, error: CerbyError) -> None:
    """Record the failure. If Cerby may still apply the change, keep it for ``settle_scopes``."""
    rows = ScopeChange.objects.filter(pk=change.pk)
    with transaction.atomic():
        if isinstance(error, CerbyInDoubt):
            rows.update(lease=None, until=timezone.now())
        else:
            rows.delete()
        _record(actor, change, outcome=log.Outcome.FAILED, reason=error.sentence)
        if isinstance(error, _OtherScopesError):
            before, after = {"scopes": change.key.scopes}, {"scopes": error.found}
            ApiKey.objects.filter(pk=change.key.pk).update(scopes=error.found)
            log.append(Event.KEY_CHANGED, actor=None, key=change.key, before=before, after=after)
            follow_certificate(change.key.pk, actor)


def _store(actor: Actor, change: ScopeChange, scopes: list[str]) -> ApiKey:
    """Store the new scopes, even if the key was deleted meanwhile."""
    key = change.key
    with transaction.atomic():
        ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=key.pk)
        in_time, _ = ScopeChange.objects.filter(pk=change.pk, lease=change.lease).delete()
        if in_time:
            ApiKey.objects.filter(pk=key.pk).update(scopes=scopes)
            _record(actor, change)
            follow_certificate(key.pk, actor)
        else:
            reason = "Cerby's answer came so late that somebody else may have changed the key."
            _record(actor, change, outcome=log.Outcome.FAILED, reason=reason)
    if not in_time:
        raise Conflict(f"{reason} Reload the page, and try again.")
    key.scopes = scopes
    return key


def _record(
    actor: Actor, change: ScopeChange, *, outcome: log.Outcome = log.Outcome.DONE, reason: str = ""
) -> None:
    key = change.key
    log.append(
        Event.KEY_RESCOPED,
        actor=actor,
        key=key,
        outcome=outcome,
        reason=reason,
        before=key.scopes,
        after=change.after,
    )
