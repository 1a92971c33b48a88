"""Update the copies of people's columns in their keys, some keys in each transaction.

Each key repeats name and email of its owner and of its accountable person for its lists. An act that changes
a person calls ``copies_are_due`` in its transaction, and ``update_copies`` after it. If the second breaks
off, a job goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys.models import ApiKey, User
from keys.rules.batches import each_alone, in_turns

AT_ONCE = 500
"""The most keys in one transaction."""
A_MOMENT, LONGEST_RUN = 3.0, 10.0
"""Seconds that an act, and a run of the job, takes at most. The job does the rest."""
PEOPLE_AT_ONCE = 100
_ROLES = ("owner", "accountable")


def copies_are_due(person: User) -> None:
    """Note, in the caller's transaction, that the person's row has changed."""
    person.copies_due_at = timezone.now()
    person.save(update_fields=["copies_due_at"])


def update_copies(person_id: int, *, within: float | None = None) -> int:
    """Update the keys of a person whose copies are due, and return how many were updated.

    ``within``: how many seconds it may take, if not ``A_MOMENT``.
    """
    person = User.objects.get(pk=person_id)
    ends, count = time.monotonic() + (A_MOMENT if within is None else within), 0
    if person.copies_due_at is None:
        return 0
    for role in _ROLES:
        for some in in_turns(each_alone(_outdated(role, person)), AT_ONCE):
            count += _update(role, person_id, some)
            if time.monotonic() > ends:
                return count
    # If the row has changed again meanwhile, the copies are due since another time.
    User.objects.filter(pk=person_id, copies_due_at=person.copies_due_at).update(copies_due_at=None)
    return count


def update_due_copies() -> str:
    """Go on with all copies that are due, and return a summary."""
    due = User.objects.filter(copies_due_at__isnull=False).order_by("copies_due_at")
    ends, count = time.monotonic() + LONGEST_RUN, 0
    for person_id in list(due.values_list("pk", flat=True)[:PEOPLE_AT_ONCE]):
        count += update_copies(person_id, within=ends - time.monotonic())
        if time.monotonic() > ends:
            break
    return f"Keys of renamed people: {count}"


def _outdated(role: str, person: User) -> Iterator[UUID]:
    """Yield the keys whose copies differ from ``person``, page by page, from an index."""
    keys = ApiKey.objects.filter(**{role: person}).exclude(**_columns(role, person))
    rest = keys
    while page := list(rest.order_by("created_at", "id").values_list("created_at", "id")[:AT_ONCE]):
        yield from (key_id for _, key_id in page)
        at, last = page[-1]
        rest = keys.filter(Q(created_at__gt=at) | Q(id__gt=last), created_at__gte=at)


def _update(role: str, person_id: int, ids: list[UUID]) -> int:
    with transaction.atomic():
        # Locked, so that of two processes the later one writes the later values.
        person = User.objects.select_for_update(no_key=True).get(pk=person_id)
        return ApiKey.objects.filter(pk__in=ids, **{role: person}).update(**_columns(role, person))


def _columns(role: str, person: User) -> dict[str, Any]:
    if role == "owner":
        return {"owner_left_at": person.left_at, **ApiKey.owner_columns(person)}
    columns = ApiKey.accountable_columns(person)
    del columns["accountable_id"]
    return columns


def update_left_at() -> None:
    """Correct ``owner_left_at`` and ``accountable_left_at`` of all keys.

    A key can get a person after that person left.
    """
    for role in _ROLES:
        here, left = {f"{role}_left_at": None}, {f"{role}_left_at__isnull": False}
        left_since = {f"{role}__left_at__isnull": False}
        _correct(ApiKey.objects.filter(**here, **left_since), **{f"{role}_left_at": timezone.now()})
        back = {f"{role}__isnull": False, f"{role}__left_at": None}
        _correct(ApiKey.objects.filter(**left, **back), **here)


def _correct(wrong: QuerySet[ApiKey], **columns: Any) -> None:
    for some in in_turns(each_alone(list(wrong.values_list("pk", flat=True))), AT_ONCE):
        wrong.filter(pk__in=some).update(**columns)
