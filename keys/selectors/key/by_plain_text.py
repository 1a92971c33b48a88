"""Recognise plain texts by their fingerprints: an indexed look-up, under every pepper that is configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys.crypto import fingerprint
from keys.models import ApiKey
from keys.rules.batches import batches

AT_ONCE = 500
"""Fingerprints in one query: well below what any database takes as parameters."""


@sensitive_variables()
def keys_with_plain_text(candidates: Iterable[str]) -> list[ApiKey]:
    """The keys, with their owners, whose plain text is one of ``candidates``; each once, newest first.

    Not limited to what the actor may see: whoever asks holds the plain text already, which is more than
    a row of the inventory tells. Nothing of ``candidates`` is kept.
    """
    found: dict[object, ApiKey] = {}
    for batch in batches(_digests(candidates), AT_ONCE):
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
