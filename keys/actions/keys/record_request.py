"""Record the request for a key before Cerby is called. A repeated request is recorded once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.actions.lineage.begin import begin_rotation
from keys.actions.requests.use import use
from keys.audit import log
from keys.models import ApiKey, AuditEvent
from keys.rules.errors import Conflict, NeedsApproval, RequestUsed
from keys.rules.events import Event
from keys.rules.permissions import Actor
from keys.rules.scopes import in_order
from keys.selectors.policy.enforce import check_new_key
from keys.selectors.requests.needs import approvals_for
from keys.validation import new_key
from keys.validation.new_key import KeyRequest

TOLERANCE = timedelta(minutes=2)
"""In assisted mode the expiry is cut to the minute, and a person may press Next twice in a minute."""


def record_request(actor: Actor, request: KeyRequest, **columns: Any) -> tuple[ApiKey, bool]:
    """Return the key for ``request``, and whether it is new. A new key starts in REQUESTED with ``columns``,
    among them those of ``ownership_columns``.

    The caller has checked the permission. Raises ``Invalid`` if the request breaks a rule, ``OutsidePolicy``
    if the policy does not allow it, ``Conflict`` if its id belongs to another person, and ``RequestUsed`` if
    its id belongs to a key that differs from it. If it rotates a key, the rotation begins in the same
    transaction (keys.actions.lineage.begin), and so is an approval used (keys.actions.requests.use). Raises
    ``NeedsApproval`` if one is needed and there is none.
    """
    earlier = _earlier(actor, request)
    if earlier is not None:
        return earlier, False
    new_key.check_request(request, now := timezone.now())
    check_new_key(actor, request, columns, now)
    if request.under is None and (needed := approvals_for(actor, request)):
        raise NeedsApproval(needed)
    try:
        return _record(actor, request, columns), True
    except IntegrityError:
        return _resolve_race(actor, request), False


def _earlier(actor: Actor, request: KeyRequest) -> ApiKey | None:
    earlier = ApiKey.objects.filter(pk=request.id).first()
    if earlier is not None and earlier.owner_id != actor.user_id:
        raise Conflict("This request belongs to another person. Start again.")
    if earlier is not None and not _asks_for(earlier, request):
        raise RequestUsed(
            f"Another tab has used this request for “{earlier}”. Choose Next to send yours as a new one."
        )
    return earlier


def _asks_for(key: ApiKey, request: KeyRequest) -> bool:
    """Return whether ``key`` was asked for as in ``request``, which was then sent twice.

    The request event has the values, because those of the key may have changed since. An expiration such as
    1 day counts from the moment of each sending.
    """
    asked = AuditEvent.objects.filter(key_id=key.pk, type=Event.KEY_REQUESTED).order_by("at", "id").first()
    if asked is None:
        return False
    expires_at = datetime.fromisoformat(asked.details["expires_at"])
    lasts, lasted = request.expires_at - timezone.now(), expires_at - asked.at
    same_expiry = min(abs(request.expires_at - expires_at), abs(lasts - lasted)) < TOLERANCE
    values = (asked.key_name, asked.details["purpose"], set(asked.details["scopes"]))
    return same_expiry and values == (request.name, request.purpose, set(request.scopes))


def _record(actor: Actor, request: KeyRequest, columns: dict[str, Any]) -> ApiKey:
    scopes, now = in_order(request.scopes), timezone.now()
    with transaction.atomic():
        check_new_key(actor, request, columns, now, in_turn=True)
        key = ApiKey.objects.create(
            id=request.id,
            name=request.name,
            purpose=request.purpose,
            owner_id=actor.user_id,
            scopes=scopes,
            created_at=now,
            expires_at=request.expires_at,
            **ApiKey.owner_columns(actor),
            **columns,
        )
        log.append(
            Event.KEY_REQUESTED,
            actor=actor,
            key=key,
            scopes=scopes,
            expires_at=request.expires_at.isoformat(),
            purpose=request.purpose,
            **key.ownership_details(),
            **_approved(actor, key, request),
        )
        if request.rotates is not None:
            begin_rotation(actor, key, request.rotates)
    return key


def _approved(actor: Actor, key: ApiKey, request: KeyRequest) -> dict[str, Any]:
    """Use the approval, if the key was requested under one, and return its details for the event."""
    if request.under is None:
        return {}
    used = use(actor, request.under, subject=key.pk)
    return {"request": str(used.pk), "digest": used.digest}


def _resolve_race(actor: Actor, request: KeyRequest) -> ApiKey:
    """Return the key if the same request was recorded meanwhile. If another key took its name, raise."""
    earlier = _earlier(actor, request)
    if earlier is not None:
        return earlier
    new_key.check_name(request.name)
    raise Conflict("The inventory changed while the key was requested. Try again.")
