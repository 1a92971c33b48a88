"""Recognise plain texts by their fingerprints: an indexed look-up, under every pepper that is configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys.crypto import fingerprint
from keys.models import ApiKey

AT_ONCE = 500
"""Fingerprints in one query: well below what any database takes as parameters."""


@sensitive_variables()
def keys_with_plain_text(candidates: Iterable[str]) -> list[ApiKey]:
    """The keys, with their owners, whose plain text is one of ``candidates``; each once, newest first.

    Not limited to what the actor may see: whoever asks holds the plain text already, which is more than
    a row of the inventory tells. Nothing of ``candidates`` is kept.
    """
    found: dict[object, ApiKey] = {}
    digests = _digests(candidates)
    while batch := list(islice(digests, AT_ONCE)):
        rows = ApiKey.objects.filter(fingerprint__in=batch).select_related("owner")
        found |= {row.pk: row for row in rows}
    return sorted(found.values(), key=lambda key: key.created_at, reverse=True)


@sensitive_variables()
def _digests(candidates: Iterable[str]) -> Iterator[bytes]:
    peppers = settings.PORTAL_PEPPERS
    for candidate in candidates:
        for pepper_id in peppers:
            yield fingerprint.compute(candidate, peppers=peppers, pepper_id=pepper_id).digest
