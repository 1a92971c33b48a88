"""Recognise text that may be an API key, alone or within a longer text.

Cerby does not document the format of its keys, so these rules assume neither a prefix nor an alphabet.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Iterator

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

_SIMPLE = re.compile(r"[A-Za-z0-9_-]{20,}")  # a key in "key=…&", in a URL's path or in quotes
_RUN = re.compile(r"[^\s\"'`<>(){}\[\],;|\\]{20,}")  # any text between spaces, quotes and brackets
_SHAPES = (
    _SIMPLE,
    re.compile(r"[A-Za-z0-9_.~+/-]{20,}={0,2}"),  # Base64 with or without padding, and tokens with dots
    _RUN,
)
"""Each token of the first two lies in a run."""
_BOUNDARIES = (
    re.compile(r"[\s\"'`<>(){}\[\],;|\\]"),
    re.compile(r"[^A-Za-z0-9_.~+/=-]"),
    re.compile(r"[^A-Za-z0-9_-]"),
)
"""The characters that end a token, those of the most tokens first."""
_MAY_BE_A_KEY = re.compile(r"(?<!\S)[^\s@]{20,}(?!\S)")
_WORD = re.compile(r"(?<![\w@])[A-Za-z0-9_~+.-]{20,}={0,2}(?![\w@])")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\.?", re.IGNORECASE)
MIXED = 12
_PUNCTUATION = ".:/="
SHORTEST_RANDOM = 10
"""Characters without punctuation that are checked for a mix of letters and digits."""
LONGEST_WORD = 18
MOST_MIXED = 0.5
"""Parts per character: random text of letters and digits has about 0.6, names have fewer."""
WITHHELD = "[withheld: may be a key]"
_LONG_WORD = re.compile(r"[^\s@]{20,}(?![^\s]*@)")
_PARTS = re.compile(r"[^\W\d_a-z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_A-Za-z]+")
_HEX = re.compile(r"(?=.*\d)(?=.*[A-Fa-f])[0-9A-Fa-f]{8,}")
_SEGMENTS = re.compile(r"[-_./:+#()&,;=|]+")


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
def candidates_in(chunks: Iterable[str]) -> Iterator[str]:
    """Yield the parts of a text with 20 to 200 characters, and the text itself if it may be a key.

    The text comes in ``chunks``, which may end anywhere. Memory use depends on the longest chunk only, not on
    the number of candidates. A candidate can recur.
    """
    whole: str | None = ""
    rest = ""
    for chunk in chunks:
        if whole is not None:
            whole = (whole + chunk).lstrip()
            whole = whole if len(whole) <= 2 * LONGEST else None
        window = rest + chunk
        end = _last_boundary(window)
        yield from _tokens(window[:end])
        rest = window[end:]
    yield from _tokens(rest)
    if whole is not None and SHORTEST <= len(whole.strip()) <= LONGEST:
        yield whole.strip()


def _last_boundary(window: str) -> int:
    """Return where to cut ``window`` so that no token of a key's length is in both parts.

    Look for a character that is in no token. In a long run without one, the longer kinds of tokens are too
    long to be keys, so a character that ends the shorter kinds is enough.
    """
    backwards = window[: -LONGEST - 1 : -1]
    for boundary in _BOUNDARIES:
        if match := boundary.search(backwards):
            return len(window) - match.start()
        if len(backwards) < LONGEST:
            return 0
    return len(window)


def _tokens(text: str) -> Iterator[str]:
    for run in _RUN.finditer(text):
        start, end = run.span()
        if _SIMPLE.fullmatch(text, start, end):
            if end - start <= LONGEST_IN_A_TEXT:
                yield run.group()
        else:
            yield from _tokens_of_run(text, start, end)


def _tokens_of_run(text: str, start: int, end: int) -> set[str]:
    found = set()
    for shape in _SHAPES:
        for match in shape.finditer(text, start, end):
            if match.end() - match.start() <= LONGEST:
                token = match.group()
                found |= {token, token.strip(_PUNCTUATION)}
    return {token for token in found if SHORTEST <= len(token) <= LONGEST_IN_A_TEXT}


def withheld(text: str) -> str:
    """Return ``text`` without words that may be keys: long enough, and not an email address."""
    return _MAY_BE_A_KEY.sub(WITHHELD, text)


@sensitive_variables()
def without_keys(text: str) -> str:
    """Return ``text`` without words that look random, as keys do. Long names, such as nightly-export-2, stay.

    Use this for text in which long names are expected, and ``withheld`` for all other text.
    """
    return _LONG_WORD.sub(lambda found: found[0] if _reads_like_words(found[0]) else WITHHELD, text)


@sensitive_variables()
def _reads_like_words(text: str) -> bool:
    """Return whether ``text`` consists of words and short numbers. In random text, letters and digits mix."""
    segments = [(one, _PARTS.findall(one)) for one in _SEGMENTS.split(text) if one]
    mixed = sum(len(parts) for _, parts in segments) / max(1, sum(len(one) for one, _ in segments))
    return (
        mixed <= MOST_MIXED
        and not any(_HEX.fullmatch(one) for one, _ in segments)
        and all(
            len(parts) <= len(one) / 4
            and all(len(part) <= LONGEST_WORD for part in parts)
            and sum(part.isdecimal() for part in parts[1:-1]) <= 1
            for one, parts in segments
            if len(one) >= SHORTEST_RANDOM
        )
    )


@sensitive_variables()
def redacted(text: str, known: Collection[str] = ()) -> str:
    """Return ``text`` without the ``known`` keys and without words that may be keys."""
    for key in known:
        text = text.replace(key, "[withheld: an API key]")
    return _WORD.sub(lambda word: WITHHELD if _may_be_key(word[0]) else word[0], text)


def _may_be_key(word: str) -> bool:
    """Return whether 12 characters or more are in parts that mix letters and digits; a UUID is no key."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", word) if re.search(r"\d", part)]
    mixed = sum(len(part) for part in parts if re.search(r"[A-Za-z]", part))
    return mixed >= MIXED and not _UUID.fullmatch(word)


def check_is_text(beginning: bytes) -> None:
    """Raise ``Invalid`` for a file in which a key would not be found although it is there."""
    if beginning.startswith(NOT_TEXT):
        raise Invalid(
            file="The portal cannot search an archive, an image or a document. Paste its text instead."
        )


def decoded(content: Iterable[bytes]) -> Iterator[str]:
    """Decode a file chunk by chunk. Keys are ASCII, so Latin-1 finds them in most encodings."""
    decoder: codecs.IncrementalDecoder | None = None
    for chunk in content:
        if decoder is None:
            is_utf_16 = chunk.startswith((b"\xff\xfe", b"\xfe\xff"))
            decoder = codecs.getincrementaldecoder("utf-16" if is_utf_16 else "latin-1")("replace")
        yield decoder.decode(chunk)
