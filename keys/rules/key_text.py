"""What a key's plain text can look like, and how such texts are found in a longer one.

Cerby does not publish what its keys look like, so nothing here knows a prefix or an alphabet of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.views.decorators.debug import sensitive_variables

from keys.rules.errors import Invalid

SHORTEST, LONGEST = 20, 4096
LONGEST_IN_A_TEXT = 200
LARGEST_FILE = 10 * 1024 * 1024
"""Bytes that are looked through at once."""

_SHAPES = (
    re.compile(r"[A-Za-z0-9_-]{20,}"),  # the key in "key=…&", in a URL's path, in quotes
    re.compile(r"[A-Za-z0-9_.~+/-]{20,}={0,2}"),  # Base64, also padded, and tokens with dots
    re.compile(r"[^\s\"'`<>(){}\[\],;|\\]{20,}"),  # anything else between spaces, quotes and brackets
)
_MAY_BE_A_KEY = re.compile(r"(?<!\S)[^\s@]{20,}(?!\S)")
_NOT_AT_THE_ENDS = ".:/="


@sensitive_variables()
def check_key_text(secret: str) -> str:
    """``secret`` without the white space around it. Raises ``Invalid``, which never repeats it."""
    bare = secret.strip()
    if not bare:
        raise Invalid(api_key="Paste the API key. Cerby shows it once, right after generating it.")
    if not SHORTEST <= len(bare) <= LONGEST:
        raise Invalid(
            api_key=f"This has {len(bare):,} characters; a key has {SHORTEST} to {LONGEST:,}. Copy it again."
        )
    if not (bare.isascii() and bare.isprintable()) or " " in bare:
        raise Invalid(
            api_key="This holds a space, a line break or a letter that no API key has. Copy the key alone."
        )
    return bare


@sensitive_variables()
def candidates(text: str) -> set[str]:
    """Everything in ``text`` of a key's length, 20 to 200 characters, and ``text`` itself if it is short."""
    found = {text.strip()} if SHORTEST <= len(text.strip()) <= LONGEST else set()
    for shape in _SHAPES:
        found.update(_of_good_length(shape.findall(text)))
    return found


def _of_good_length(tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        for form in (token, token.strip(_NOT_AT_THE_ENDS)):
            if SHORTEST <= len(form) <= LONGEST_IN_A_TEXT:
                yield form


def withheld(text: str) -> str:
    """``text`` without the words that may be a key: of a key's length, and no e-mail address."""
    return _MAY_BE_A_KEY.sub("[withheld: may be a key]", text)


def decoded(content: bytes) -> str:
    """A file as text. Keys are ASCII, so of most encodings it does not matter which one it is."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return content.decode("latin-1")
