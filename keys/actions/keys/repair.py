"""Restore the row of a key that somebody changed in the database, without the portal, from the audit log.

Otherwise a job would take such a row for the truth: it would record the repair as a change in Cerby, or
revoke a live key because its row says that it has ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from keys.actions.reviews.void import follow_certificate
from keys.audit import log
from keys.evidence.logged_keys import LoggedKey, logged_keys
from keys.models import ApiKey, AuditEvent, RevealGrant, User
from keys.rules.event_contents import OWNERSHIP
from keys.rules.events import Event
from keys.rules.folded_text import fold
from keys.rules.lifecycle import State, due_at
from keys.rules.scope_lists import is_cut
from keys.rules.scopes import in_order

UNREPAIRABLE = (
    "The inventory's row of this key contradicts the audit log, and could not be restored. The portal "
    "changes and revokes nothing because of it. Verify the audit log to see the difference."
)

logger = structlog.get_logger(__name__)


def repair_keys(keys: Collection[ApiKey], *, must_be_known: bool = False) -> dict[UUID, bool]:
    """Restore the rows of ``keys`` that contradict the log. Return their ids, each with whether that worked.

    A job calls this before it acts on a difference. The objects in ``keys`` stay as they are. A row without
    the events of its beginning contradicts the log only if ``must_be_known``: that is so if the job is about
    to delete the key in Cerby.
    """
    logged = logged_keys([key.pk for key in keys])
    wrong = [key for key in keys if _contradicts(key, logged[key.pk], must_be_known=must_be_known)]
    results = {key.pk: _repair(key.pk, must_be_known=must_be_known) for key in wrong}
    return {key_id: repaired for key_id, repaired in results.items() if repaired is not None}


def _contradicts(key: ApiKey, logged: LoggedKey, *, must_be_known: bool) -> bool:
    if must_be_known and not logged.has_beginning:
        return True
    return bool(logged.wrong_values(key)) or logged.has_wrong_state(key)


def _repair(key_id: UUID, *, must_be_known: bool) -> bool | None:
    """Return whether the row was restored, or None if it does not contradict the log after all."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update(no_key=True).filter(pk=key_id).first()
        logged = logged_keys([key_id])[key_id]  # complete: each change of the key takes this lock
        if key is None or not _contradicts(key, logged, must_be_known=must_be_known):
            return None
        repaired = False
        with suppress(IntegrityError, DataError), transaction.atomic():
            is_explained = logged.has_beginning or (bool(logged.events) and not must_be_known)
            repaired = is_explained and _restore(key, logged)
        if not repaired:
            record_unrepaired(key, UNREPAIRABLE)
    logger.error("row_contradicts_log", key_id=str(key_id))
    return repaired


def record_unrepaired(key: ApiKey, reason: str) -> None:
    """Record that the row of ``key`` could not be restored, unless that is its newest event already."""
    newest = AuditEvent.objects.filter(key_id=key.pk).order_by("-at", "-id").values_list("type", "outcome")
    if newest.first() != (Event.KEY_REPAIRED, log.Outcome.FAILED):
        log.append(Event.KEY_REPAIRED, actor=None, key=key, outcome=log.Outcome.FAILED, reason=reason)


def _restore(key: ApiKey, logged: LoggedKey) -> bool:
    """Write the logged values, and record the repair. Return False if the log gives no single state."""
    columns = _columns(key, logged)
    if columns is None:
        return False
    before = {name: getattr(key, name) for name in columns}
    if "owner" in columns:
        before |= ApiKey.owner_columns(key.owner)
    # Other keys may hold the name, and the place in the lineage, since. The log does not say which.
    freed = {"holds_name": None} | ({"lineage": None, "generation": None} if "state" in columns else {})
    ApiKey.objects.filter(pk=key.pk).update(**freed, **columns)
    if logged.was_viewed:
        RevealGrant.withdraw(key)
    details = details_of(before, columns)
    for name, value in columns.items():
        setattr(key, name, value)
    log.append(Event.KEY_REPAIRED, actor=None, key=key, **details)
    follow_certificate(key.pk, None)
    return True


def _columns(key: ApiKey, logged: LoggedKey) -> dict[str, Any] | None:
    """Return the columns to change, or None if the log gives no single state, no owner or not all scopes."""
    columns = {name: right for name, (_, right) in logged.wrong_values(key).items()}
    if "scopes" in columns:
        if is_cut(columns["scopes"]):
            return None
        columns["scopes"] = in_order(columns["scopes"])
    if "name" in columns:
        columns["name_order"] = fold(columns["name"])
    answering = {name: columns.pop(name) for name in {*OWNERSHIP, "note"} & columns.keys()}
    columns |= logged_ownership(answering)
    if columns.get("cerby_id"):
        columns["cerby_id"] = UUID(columns["cerby_id"])
    if "owner" in columns:
        found = User.objects.filter(pk=columns["owner"]).first()
        if found is None:
            return None
        columns["owner"] = found
        columns |= ApiKey.owner_columns(found)
    if logged.has_wrong_state(key):
        if len(logged.states) != 1:
            return None
        [state] = logged.states
        columns |= state_columns(State(state), logged.removed_at)
    return columns


def logged_ownership(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns for those of the logged ``values`` that say who answers for a key."""
    names = ("team", "system", "kind", "environment", "note", "tags")
    columns = {name: values[name] for name in names if name in values}
    columns |= {f"{name}_order": fold(values[name]) for name in ("team", "system") if name in values}
    if "review_on" in values:
        columns["review_on"] = date.fromisoformat(values["review_on"]) if values["review_on"] else None
    if "accountable" in values:
        columns |= ApiKey.accountable_columns(User.objects.filter(pk=values["accountable"] or 0).first())
    if "backup" in values:
        columns["backup_id"] = values["backup"]
    return columns


def state_columns(state: State, removed_at: datetime | None) -> dict[str, Any]:
    """Return the columns of a row that is put into ``state`` without a transition."""
    now = timezone.now()
    columns: dict[str, Any] = {"state": state, "due_at": due_at(state, now), "attempts": 0, "lease": None}
    if state is State.CALLING:  # the process that called has ended, or finds its lease gone
        columns |= {"lease": uuid.uuid4(), "lease_until": now}
    columns["removed_at"] = (removed_at or now) if state is State.REVOKED else None
    return columns


_UNREPORTED = {
    *("accountable_id", "accountable_name", "accountable_order", "accountable_email", "accountable_left_at"),
    *("backup_id", "team_order", "system_order"),
    "name_order",
    "owner",
    "owner_order",
    "due_at",
    "attempts",
    "lease",
    "lease_until",
    "removed_at",
}


def details_of(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the details of the event about a repair, from the columns before and after."""
    names = sorted(after.keys() - _UNREPORTED)
    details: dict[str, Any] = {
        "before": {name: _json(before[name]) for name in names if name in before},
        "after": {name: _json(after[name]) for name in names},
    }
    for name in ("accountable", "backup"):
        for side, columns in (("before", before), ("after", after)):
            if f"{name}_id" in columns:
                details[side][name] = _person(columns[f"{name}_id"])
    if "owner" in after:
        details["owner_id"] = str(after["owner"].pk)
    return details


def _person(pk: int | None) -> dict[str, str] | None:
    person = User.objects.filter(pk=pk or 0).first()
    return {"id": str(person.pk), "email": person.email} if person else None


def _json(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
