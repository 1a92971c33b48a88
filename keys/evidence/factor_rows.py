"""Find second factors that contradict the audit log: their rows were added, changed or deleted without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt

from keys.crypto.factor_box import CannotDecryptError, digest_of_factor
from keys.evidence.contradiction import Contradiction
from keys.models import AuditEvent, LoggedEmail, User
from keys.models.factor import APP, CODES, METHODS, PASSKEY, codes_left, has_factor
from keys.rules.events import Event

PAGE = 500
ADDS = (Event.FACTOR_ADDED, Event.RECOVERY_CODES_MADE)
ABOUT_FACTORS = (*ADDS, Event.FACTOR_REMOVED, Event.FACTORS_RESET, Event.RECOVERY_CODE_USED)


@dataclass
class LoggedFactor:
    """A factor by the log. ``event`` is the id of the newest event about it."""

    event: int
    user_id: int | None
    method: str
    digest: str
    remaining: int | None = None


def digest_of_row(row: Authenticator) -> str:
    """Return the digest of what ``row`` stores, or "" if it cannot be read."""
    try:
        return digest_of_factor(row.user_id, METHODS[row.type], _content(row))
    except (CannotDecryptError, KeyError, TypeError):
        return ""


def _content(row: Authenticator) -> str:
    if row.type == PASSKEY:
        return json.dumps(row.data["credential"], sort_keys=True)
    return str(decrypt(row.data["secret" if row.type == APP else "seed"]))


def is_recorded(row: Authenticator) -> bool:
    """Return whether the event that ``row`` names added exactly this factor for its person."""
    added = AuditEvent.objects.filter(uid=row.data.get("event"), type__in=ADDS, actor_id=row.user_id)
    details = added.values_list("details", flat=True).first()
    return details is not None and details["factor_digest"] == digest_of_row(row)


def lacks_factors(user: User) -> bool:
    """Return whether ``user`` has no factor although the events about their present email gave them one.

    Somebody who can write to the database may delete the row, so that the password alone signs them in.
    """
    if has_factor(user.pk):
        return False
    done = AuditEvent.objects.filter(outcome="done")
    resets = done.filter(type=Event.FACTORS_RESET).alias(about=LoggedEmail()).filter(about=user.email)
    since = resets.order_by("-id").values_list("id", flat=True).first() or 0
    own = done.filter(actor_email=user.email, actor_id=user.pk, id__gt=since)
    added = own.filter(type=Event.FACTOR_ADDED).values_list("uid", flat=True)
    removed = own.filter(type=Event.FACTOR_REMOVED).values_list("details__factor", flat=True)
    return not {str(uid) for uid in added} <= set(removed)


def changed_factors() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: a factor may change meanwhile."""
    found = list(_differences())
    if found:
        again = set(_differences())
        yield from (one for one in found if one in again)


def _differences() -> Iterator[Contradiction]:
    logged = _logged_factors()
    for row in Authenticator.objects.select_related("user").order_by("pk").iterator(chunk_size=PAGE):
        factor = logged.pop(str(row.data.get("event", "")), None)
        words = _wrong(row, factor)
        if words:
            event = factor.event if factor else None
            yield Contradiction(event, f"Person {row.user.cerby_id}: {words}")
    for factor in logged.values():
        words = f"the row of a second factor ({factor.method}) was deleted."
        yield Contradiction(factor.event, f"Person number {factor.user_id}: {words}")


def _wrong(row: Authenticator, factor: LoggedFactor | None) -> str:
    method = METHODS.get(row.type, row.type)
    if factor is None:
        return f"a second factor ({method}) is stored, and no event says that it was added."
    if (factor.user_id, factor.method, factor.digest) != (row.user_id, method, digest_of_row(row)):
        return f"the stored second factor ({method}) is not the one that the event about it recorded."
    if row.type == CODES and codes_left(row) != factor.remaining:
        return f"{codes_left(row)} recovery codes are left in the row, and {factor.remaining} in the log."
    return ""


def _logged_factors() -> dict[str, LoggedFactor]:
    """Replay the events, oldest first. Return the factors that are in use by the log, by their id."""
    factors: dict[str, LoggedFactor] = {}
    events = AuditEvent.objects.filter(type__in=ABOUT_FACTORS, outcome="done").order_by("id")
    columns = ("id", "uid", "type", "actor_id", "details")
    for event_id, uid, kind, actor_id, details in events.values_list(*columns).iterator(chunk_size=PAGE):
        if kind in ADDS:
            if kind == Event.RECOVERY_CODES_MADE:  # the earlier ones no longer work
                _forget(factors, actor_id, METHODS[CODES])
            method = details.get("method", METHODS[CODES])
            digest, remaining = details["factor_digest"], details.get("count")
            factors[str(uid)] = LoggedFactor(event_id, actor_id, method, digest, remaining)
        elif kind == Event.FACTORS_RESET:
            _forget(factors, int(details["person"]))
        elif kind == Event.FACTOR_REMOVED:
            factors.pop(details["factor"], None)
        elif details["factor"] in factors:
            factor = factors[details["factor"]]
            factor.event, factor.remaining = event_id, details["remaining"]
    return factors


def _forget(factors: dict[str, LoggedFactor], user_id: int | None, method: str = "") -> None:
    for uid, factor in list(factors.items()):
        if factor.user_id == user_id and method in {"", factor.method}:
            del factors[uid]
