"""Keep the plain text of keys out of events: every text of an event goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys.crypto import fingerprint
from keys.models import ApiKey
from keys.rules import key_text
from keys.rules.scope_lists import is_rest

STRUCTURED = frozenset(
    {
        "id",
        "at",
        "type",
        "role",
        "ip",
        "email",
        "owner_email",
        "cerby_id",
        "scopes",
        "expires_at",
        "thumbprint",
        "fingerprint_digest",
        "password_digest",
        "factor",
        "factor_digest",
        "list_digest",
        "document_digest",
        "preview_digest",
        "digest",
        "request",
        "removed_at",
    }
    | {
        "leaves",
        "settings",
        "rules",
        "since",
        "until",
        "as_of",
        "damage",
        "status",
        "last_four",
        "person",
        "provider",
        "subject",
    }
)
"""Members whose values the portal or Cerby makes. Nobody types them, and some look like keys."""
MOST_WORDS = 200
_LONG_WORD, _SPACE = re.compile(r"\S{20}"), re.compile(r"\s")


@sensitive_variables()
def without_key_texts(event: dict[str, Any]) -> dict[str, Any]:
    """Return ``event`` with a placeholder for each text that is a known key, or that may be a key."""
    texts = [text for text in _texts(event) if _LONG_WORD.search(text)]
    if not texts:
        return event  # most events: append is called often, so it does no more than it must
    words = {word for text in texts for word in key_text.candidates_in([text]) if not _SPACE.search(word)}
    known = _known(sorted(words, key=len, reverse=True)[:MOST_WORDS])
    cleaned: dict[str, Any] = _replaced(event, known)
    return cleaned


def _texts(value: Any, name: str = "") -> Iterator[str]:
    if name in STRUCTURED:
        return
    if isinstance(value, str) and len(value) >= key_text.SHORTEST:
        yield value
    elif isinstance(value, Mapping):
        for member, part in value.items():
            yield from _texts(part, member)
    elif isinstance(value, list | tuple):
        for part in value:
            if not _is_digest(part):
                yield from _texts(part, name)


def _is_digest(part: Any) -> bool:
    """Return whether this item of a list is the portal's own digest of scopes."""
    return isinstance(part, str) and is_rest(part)


@sensitive_variables()
def _replaced(value: Any, known: list[str], name: str = "") -> Any:
    if name in STRUCTURED:
        return value
    if isinstance(value, str):
        return key_text.redacted(value, known)
    if isinstance(value, Mapping):
        return {member: _replaced(part, known, member) for member, part in value.items()}
    if isinstance(value, list | tuple):
        return [part if _is_digest(part) else _replaced(part, known, name) for part in value]
    return value


@sensitive_variables()
def _known(words: list[str]) -> list[str]:
    """Return the words that are the plain text of a key in the inventory, the longest first."""
    peppers = settings.PORTAL_PEPPERS
    digests = {
        fingerprint.compute(word, peppers=peppers, pepper_id=pepper_id).digest: word
        for word in words
        for pepper_id in peppers
    }
    if not digests:
        return []
    stored = ApiKey.objects.filter(fingerprint__in=list(digests)).values_list("fingerprint", flat=True)
    found = {digests[bytes(digest)] for digest in stored if digest is not None}
    return [word for word in words if word in found]
