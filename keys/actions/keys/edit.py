"""Edit who answers for a key and what it is for: the values of ownership, the purpose and the note."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from keys.actions.people.accountable import ownership_columns
from keys.actions.people.confirm_role import authorize_now
from keys.actions.rotation_tasks.assign import assign_again
from keys.audit import log
from keys.models import ApiKey
from keys.models.policy import policy_in_force
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for
from keys.selectors.policy.enforce import check_edit
from keys.selectors.policy.facts import facts_now
from keys.validation import new_key
from keys.validation.agents import check_becomes_agent
from keys.validation.ownership import NOTE_LENGTH, Ownership, check_optional

ONE_EVENT = 6_000
"""Bytes of the changes in one event, which has room for 8,192 in all."""
CHANGED_MEANWHILE = (
    "Another person changed this key after you opened the page. Your input is still in the form. "
    "Compare it with the present values, then save it again."
)

Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Edit:
    """The values as the person entered them. ``purpose`` is None if the form does not offer it."""

    ownership: Ownership
    note: str
    purpose: str | None = None


def edit_key(actor: Actor, key_id: UUID, edit: Edit, *, version: int) -> bool:
    """Store ``edit``, which a person made on ``version`` of the key. Return whether anything changed.

    Raises ``Invalid``, and ``Conflict`` if another person changed the key since then.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.EDIT_KEY, key)
    columns = _columns(key, edit)
    now, policy = timezone.now(), policy_in_force()
    before, facts = _described(key), facts_now(key, now, policy)
    for name, value in columns.items():
        setattr(key, name, value)
    after = _described(key)
    changes = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if key.version != version:
        raise Conflict(CHANGED_MEANWHILE)
    if changes:
        check_edit(facts, facts_now(key, now, policy), now)
        _store(actor, key, columns, changes, version)
    return bool(changes)


def _store(actor: Actor, key: ApiKey, columns: dict[str, Any], changes: Changes, version: int) -> None:
    rows = ApiKey.objects.filter(pk=key.pk, version=version)
    with transaction.atomic():
        if rows.update(version=F("version") + 1, **columns) != 1:
            raise Conflict(CHANGED_MEANWHILE)
        for part in _parts(changes):
            before = {name: old for name, (old, _) in part.items()}
            after = {name: new for name, (_, new) in part.items()}
            log.append(Event.KEY_EDITED, actor=actor, key=key, before=before, after=after)
        if changes.keys() & {"accountable", "backup"}:
            assign_again(key, actor)


def _columns(key: ApiKey, edit: Edit) -> dict[str, Any]:
    """Return the columns to store. People who stay are not checked again, because they may have left."""
    check_optional("note", "The note", edit.note, NOTE_LENGTH)
    check_becomes_agent(key, edit.ownership, timezone.now())
    present = {person.email: person for person in (key.accountable, key.backup) if person}
    columns = ownership_columns(edit.ownership, default=None, present=present) | {"note": edit.note}
    if edit.purpose is None:
        return columns
    if key.was_never_adopted:
        raise Conflict("This key was discovered in Cerby. Adopt it to give it a purpose.")
    new_key.check_purpose(edit.purpose)
    return columns | {"purpose": edit.purpose}


def _described(key: ApiKey) -> dict[str, Any]:
    return {**key.ownership_details(), "purpose": key.purpose, "note": key.note}


def _parts(changes: Changes) -> Iterator[Changes]:
    """Divide the changes into parts that fit into one event. One change always does."""
    part: Changes = {}
    for name, change in changes.items():
        if part and _size({**part, name: change}) > ONE_EVENT:
            yield part
            part = {}
        part[name] = change
    yield part


def _size(changes: Changes) -> int:
    return len(json.dumps(changes, ensure_ascii=False).encode())
