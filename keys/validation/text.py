"""Check and tidy short texts that people enter."""

from __future__ import annotations

import unicodedata

from keys.rules import key_text
from keys.rules.errors import Invalid
from keys.rules.visible import JOINERS

INVISIBLE = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
"""Unicode categories of characters that are not letters, marks, numbers, punctuation, symbols or spaces."""
UNSTORABLE = {"Cc", "Cs"}
"""Control characters, such as tabs and NUL, and halves of characters."""


def tidy(name: str) -> str:
    """Return ``name`` in Unicode's composed form with plain spaces: names that look equal become equal."""
    composed = unicodedata.normalize("NFC", name)
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in composed).strip()


REASON_LENGTH = 300


def check_reason(reason: str) -> None:
    """Raise ``Invalid`` unless ``reason`` is a short text on one line."""
    check_text("reason", "The reason", reason, REASON_LENGTH)


def check_text(field: str, subject: str, text: str, length: int, *, is_in_cerby: bool = False) -> None:
    """Raise ``Invalid`` for ``field``.

    ``is_in_cerby``: Cerby has this text, so accept every character that the databases can store.
    """
    if not text.strip():
        raise Invalid(**{field: f"{subject} is missing. Enter 1 to {length} characters."})
    if len(text) > length:
        raise Invalid(**{field: f"{subject} has {len(text):,} characters; {length} are allowed."})
    refused = UNSTORABLE if is_in_cerby else INVISIBLE
    if any(unicodedata.category(character) in refused for character in JOINERS.sub("", text)):
        raise Invalid(**{field: f"{subject} contains an invisible character, such as a tab. Remove it."})
    if key_text.redacted(text) != text:
        raise Invalid(**{field: f"{subject} contains a text that may be an API key. Remove it."})
