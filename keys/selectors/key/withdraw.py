"""Return the keys of an import that can still be withdrawn."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from keys.models import ApiKey
from keys.rules.lifecycle import State


def withdrawable(import_id: UUID) -> QuerySet[ApiKey]:
    registered = [ApiKey.Origin.DECLARED, ApiKey.Origin.REGISTERED]
    return ApiKey.objects.filter(
        imported_in=import_id, state=State.HELD, cerby_id=None, origin__in=registered
    )
