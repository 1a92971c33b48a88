"""Begin a rotation, as a part of the request for the new key. The old key stays as it is."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from keys.actions.lineage.end_task import end_rotation_task
from keys.actions.notifications.settle import settle
from keys.audit import log
from keys.models import ApiKey, Rotation, User
from keys.models.rotation import IS_OPEN
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor
from keys.rules.rotation import ROTATED, Rotating, RotationState, quiet_after


def begin_rotation(actor: Actor, new: ApiKey, rotating: Rotating) -> None:
    """Record that ``new``, which is requested in the same transaction, replaces the old key.

    The caller has checked the permission. Raises ``Conflict`` if the old key cannot be rotated, and
    ``Invalid`` if the new one has more scopes.
    """
    now = timezone.now()
    old = ApiKey.objects.select_for_update(of=("self",), no_key=True).get(pk=rotating.old)
    check_can_rotate(old, now)
    _check_scopes(old, new)
    lineage, generation = old.lineage or old.pk, old.generation or 1
    if old.lineage is None:
        ApiKey.objects.filter(pk=old.pk).update(lineage=lineage, generation=generation)
    new.lineage, new.generation = lineage, generation + 1
    ApiKey.objects.filter(pk=new.pk).update(lineage=new.lineage, generation=new.generation)
    rotation = Rotation.objects.create(
        old=old,
        new=new,
        because=rotating.because,
        overlap=int(rotating.overlap.total_seconds()),
        overlap_until=min(now + rotating.overlap, old.expires_at),
        quiet_after=int(quiet_after(old.gaps.longest_known, old.last_used_at, now).total_seconds()),
        started_by=User.objects.get(pk=actor.user_id),
        started_at=now,
    )
    log.append(
        Event.ROTATION_STARTED,
        actor=actor,
        key=old,
        rotation=str(rotation.pk),
        new_key=str(new.pk),
        after={"state": RotationState.PREPARING.value},
        because=rotation.because,
        overlap=rotation.overlap,
        until=rotation.overlap_until.isoformat(),
        quiet_after=rotation.quiet_after,
    )
    settle(Kind.ROTATION_DUE, key=old)
    end_rotation_task(old)


def check_can_rotate(old: ApiKey, now: datetime) -> None:
    """Raise ``Conflict`` unless the key is in use and has no open rotation."""
    if old.state not in ROTATED:
        raise Conflict("Only an active key that somebody has stored can be rotated.")
    if old.expires_at <= now:
        raise Conflict("This key has expired, so it cannot be rotated. Generate a new key instead.")
    if Rotation.objects.filter(IS_OPEN, Q(old=old) | Q(new=old)).exists():
        raise Conflict("A rotation of this key is under way. Finish it or call it off first.")


def _check_scopes(old: ApiKey, new: ApiKey) -> None:
    """Refuse scopes that the old key lacks. If nobody knows its scopes, nothing can be compared."""
    if old.scopes and not set(new.scopes) <= set(old.scopes):
        raise Invalid(
            scopes="A rotation can remove scopes, not add any. Choose from the scopes of the old key."
        )
