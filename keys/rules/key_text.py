"""Recognise text that may be an API key, alone or within a longer text.

Cerby does not document the format of its keys, so these rules assume neither a prefix nor an alphabet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from django.views.decorators.debug import sensitive_variables

from keys.rules.errors import Invalid

SHORTEST, LONGEST = 20, 4096
LONGEST_IN_A_TEXT = 200
LARGEST_FILE = 10 * 1024 * 1024
"""Bytes."""
NOT_TEXT = (
    *(
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"BZh91AY&SY",
        b"\xfd7zXZ\x00",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a",
        b"\x28\xb5\x2f\xfd",
    ),
    *(b"%PDF-", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"),
)
"""The first bytes of archives (also .docx and .xlsx), PDF, older Office files and images."""

_SHAPES = (
    re.compile(r"[A-Za-z0-9_-]{20,}"),  # a key in "key=…&", in a URL's path or in quotes
    re.compile(r"[A-Za-z0-9_.~+/-]{20,}={0,2}"),  # Base64 with or without padding, and tokens with dots
    re.compile(r"[^\s\"'`<>(){}\[\],;|\\]{20,}"),  # any other text between spaces, quotes and brackets
)
_MAY_BE_A_KEY = re.compile(r"(?<!\S)[^\s@]{20,}(?!\S)")
_PUNCTUATION = ".:/="


@sensitive_variables()
def check_key_text(secret: str) -> str:
    """Return ``secret`` without surrounding white space. Raise ``Invalid``, which never contains it."""
    bare = secret.strip()
    if not bare:
        raise Invalid(api_key="Paste the API key. Cerby shows it once, right after generating it.")
    if not SHORTEST <= len(bare) <= LONGEST:
        raise Invalid(
            api_key=f"This has {len(bare):,} characters; a key has {SHORTEST} to {LONGEST:,}. Copy it again."
        )
    if not (bare.isascii() and bare.isprintable()) or " " in bare:
        raise Invalid(
            api_key="This contains a space, a line break or a character that no key has. Copy only the key."
        )
    return bare


@sensitive_variables()
def candidates(text: str) -> set[str]:
    """Return the parts of ``text`` with 20 to 200 characters, and ``text`` itself if it may be a key."""
    found = {text.strip()} if SHORTEST <= len(text.strip()) <= LONGEST else set()
    for shape in _SHAPES:
        found.update(_of_key_length(shape.findall(text)))
    return found


def _of_key_length(tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        for form in (token, token.strip(_PUNCTUATION)):
            if SHORTEST <= len(form) <= LONGEST_IN_A_TEXT:
                yield form


def withheld(text: str) -> str:
    """Return ``text`` without words that may be keys: long enough, and not an email address."""
    return _MAY_BE_A_KEY.sub("[withheld: may be a key]", text)


def check_is_text(content: bytes) -> None:
    """Raise ``Invalid`` for a file in which a key would not be found although it is there."""
    if content.startswith(NOT_TEXT):
        raise Invalid(
            file="The portal cannot search an archive, an image or a document. Paste its text instead."
        )


def decoded(content: bytes) -> str:
    """Return the text of a file. Keys are ASCII, so Latin-1 finds them in most encodings."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    return content.decode("latin-1")
