"""Record the request for a key before Cerby is called. A repeated request is recorded once."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.audit import log
from keys.models import ApiKey
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.policy import Actor
from keys.rules.scopes import in_order
from keys.validation import new_key
from keys.validation.new_key import KeyRequest


def record_request(actor: Actor, request: KeyRequest, **columns: Any) -> tuple[ApiKey, bool]:
    """Return the key for ``request``, and whether it is new. A new key starts in REQUESTED with ``columns``,
    among them those of ``ownership_columns``.

    The caller has checked the policy. Raises ``Invalid`` if the request breaks a rule, and ``Conflict`` if
    its id belongs to another person.
    """
    earlier = _earlier(actor, request)
    if earlier is not None:
        return earlier, False
    new_key.check_request(request, timezone.now())
    try:
        return _record(actor, request, columns), True
    except IntegrityError:
        return _resolve_race(actor, request), False


def _earlier(actor: Actor, request: KeyRequest) -> ApiKey | None:
    earlier = ApiKey.objects.filter(pk=request.id).first()
    if earlier is not None and earlier.owner_id != actor.user_id:
        raise Conflict("This request belongs to another person. Start again.")
    return earlier


def _record(actor: Actor, request: KeyRequest, columns: dict[str, Any]) -> ApiKey:
    scopes = in_order(request.scopes)
    with transaction.atomic():
        key = ApiKey.objects.create(
            id=request.id,
            name=request.name,
            purpose=request.purpose,
            owner_id=actor.user_id,
            scopes=scopes,
            created_at=timezone.now(),
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
        )
    return key


def _resolve_race(actor: Actor, request: KeyRequest) -> ApiKey:
    """Return the key if the same request was recorded meanwhile. If another key took its name, raise."""
    earlier = _earlier(actor, request)
    if earlier is not None:
        return earlier
    new_key.check_name(request.name)
    raise Conflict("The inventory changed while the key was requested. Try again.")
