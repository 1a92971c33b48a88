"""Fold texts, so that two that people read as the same become equal."""

from __future__ import annotations

import unicodedata

LONGEST_FOLDING = 3
"""A folded text has at most this many times as many characters. Columns for folded text provide the room."""
_VARIATION_SELECTORS = range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
_FILLERS: dict[int, str | None] = dict.fromkeys(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810))
) | {0x2800: " "}
"""Letters, marks and symbols that nobody sees. The pattern of Braille without dots looks like a space."""


def fold(text: str) -> str:
    """Return ``text`` so that two texts that people read as the same become equal.

    The result ignores case, as in ß and SS, composed and decomposed forms, full and half width, and invisible
    characters. This is Unicode's compatibility caseless match (definition D146, composed). A run of white
    space is one space, and there is none at the ends.
    """
    folded = _fold(text)
    return " ".join((folded if folded.isascii() else folded.translate(_FILLERS)).split())


def foldings(text: str) -> set[str]:
    """Return the foldings that a stored text may have: ``fold``, and the earlier one, which kept white space.

    Tags have it, and the name of a generated key if another key in use had the new one (migration 0033).
    """
    return {fold(text), _fold(text)}


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFD", text).casefold()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", folded).casefold())
    if not folded.isascii():
        folded = "".join(character for character in folded if not _is_ignored(character))
    return folded[: LONGEST_FOLDING * len(text)]


def _is_ignored(character: str) -> bool:
    """Return whether ``character`` only joins, separates or varies its neighbours."""
    is_selector = any(ord(character) in selectors for selectors in _VARIATION_SELECTORS)
    return is_selector or unicodedata.category(character) == "Cf"
