"""Find keys by their plain text: look its fingerprints under all configured peppers up in an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys.crypto import fingerprint
from keys.models import ApiKey
from keys.rules.batches import batches

BATCH_SIZE = 500
"""Fingerprints per query, well below the databases' limits on parameters."""


@sensitive_variables()
def keys_with_plain_text(candidates: Iterable[str]) -> list[ApiKey]:
    """Return the keys whose plain text is one of ``candidates``, with their owners, newest first.

    The result isn't limited to keys that the actor may see, because a person with the plain text already has
    more than the inventory shows. ``candidates`` are not stored.
    """
    found: dict[object, ApiKey] = {}
    for batch in batches(_digests(candidates), BATCH_SIZE):
        rows = ApiKey.objects.filter(fingerprint__in=batch).select_related("owner")
        found |= {row.pk: row for row in rows}
    return sorted(found.values(), key=lambda key: key.created_at, reverse=True)


@sensitive_variables()
def has_plain_text(key: ApiKey, secret: str) -> bool:
    """Return whether ``secret`` is the plain text of ``key``. False if ``key`` has no fingerprint."""
    if key.fingerprint is None:
        return False
    stored = fingerprint.Fingerprint(pepper_id=key.pepper_id, digest=bytes(key.fingerprint))
    return fingerprint.matches(secret, stored, settings.PORTAL_PEPPERS)


@sensitive_variables()
def _digests(candidates: Iterable[str]) -> Iterator[bytes]:
    peppers = settings.PORTAL_PEPPERS
    for candidate in candidates:
        for pepper_id in peppers:
            yield fingerprint.compute(candidate, peppers=peppers, pepper_id=pepper_id).digest
