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
_SIMPLE = re.compile(r"[A-Za-z0-9_-]{20,}")  # a key in "key=…&", in a URL's path or in quotes
_BETWEEN = r"\s\"'`<>(){}\[\],;|\\\x00-\x1f\x7f-\U0010ffff"
"""Spaces, quotes, brackets, and characters that are not ASCII."""
_RUN = re.compile(rf"[^{_BETWEEN}]{{20,}}")
_SHAPES = (
    _SIMPLE,
    re.compile(r"[A-Za-z0-9_.~+/-]{20,}={0,2}"),  # Base64 with or without padding, and tokens with dots
    _RUN,
)
"""Each token of the first two lies in a run."""
_BOUNDARIES = (
    re.compile(rf"[{_BETWEEN}]"),
    re.compile(r"[^A-Za-z0-9_.~+/=-]"),
    re.compile(r"[^A-Za-z0-9_-]"),
)
"""The characters that end a token, those of the most tokens first."""
_MAY_BE_A_KEY = re.compile(r"(?<!\S)[^\s@]{20,}(?!\S)")
_WORD = re.compile(r"(?<![\w@])[A-Za-z0-9_~+.-]{20,}={0,2}(?![\w@])")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\.?", re.IGNORECASE)
MIXED = 12
SHORTEST_RANDOM = 10
"""Characters without punctuation that are checked for a mix of letters and digits."""
LONGEST_WORD = 18
MOST_MIXED = 0.5
"""Parts per character: random text of letters and digits has about 0.6, names have fewer."""
WITHHELD = "[withheld: may be a key]"
_LONG_WORD = re.compile(r"[^\s@]{20,}(?![^\s]*@)")
_PARTS = re.compile(r"[^\W\d_a-z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_A-Za-z]+")
_HEX = re.compile(r"(?=.*\d)(?=.*[A-Fa-f])[0-9A-Fa-f]{8,}")
_ID = re.compile(r"(?<!\S)[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}(-[0-9A-Fa-f]{0,4}){0,2}(-[0-9A-Fa-f]{0,12})?(?!\S)")
_LETTER, _DIGIT_OR_CAPITAL = re.compile(r"[A-Za-z]"), re.compile(r"[0-9A-Z]")
_SEGMENTS = re.compile(r"[-_./:+#()&,;=|]+")
_ASCII = bytes(range(128))
_NOT_IN_WINDOWS_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_AROUND = "-+_*~.:/=#!?&@"
"""Signs of a diff, of Markdown and of a sentence, which may stand around a key or be part of it."""
_MOST_AROUND = 3


class Lately:
    """Remember texts for a while, in a few megabytes of memory, so that they are not searched again."""

    MOST, LONGEST = 20_000, 400

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def is_new(self, text: str) -> bool:
        if text in self._texts:
            return False
        if len(text) <= self.LONGEST:
            if len(self._texts) >= self.MOST:
                self._texts.clear()
            self._texts.add(text)
        return True


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
def candidates_in(chunks: Iterable[str], lately: Lately | None = None) -> Iterator[str]:
    """Yield the parts of a text with 20 to 200 characters, and the text itself if it may be a key.

    The text comes in ``chunks``, which may end anywhere. Memory use depends on the longest chunk only, not on
    the number of candidates. A candidate can recur. The parts that are in ``lately`` are skipped.
    """
    whole: str | None = ""
    rest = ""
    for chunk in chunks:
        if whole is not None:
            whole = (whole + chunk).lstrip()
            whole = whole if len(whole) <= 2 * LONGEST else None
        window = rest + chunk
        end = _last_boundary(window)
        yield from _tokens(window[:end], lately)
        rest = window[end:]
    yield from _tokens(rest, lately)
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


def _tokens(text: str, lately: Lately | None) -> Iterator[str]:
    for run in _RUN.finditer(text):
        start, end = run.span()
        if lately is not None and not lately.is_new(run.group()):
            continue
        if _SIMPLE.fullmatch(text, start, end):
            if end - start <= LONGEST_IN_A_TEXT:
                yield from _bare(run.group())
        else:
            yield from _tokens_of_run(text, start, end)


def _tokens_of_run(text: str, start: int, end: int) -> set[str]:
    found: set[str] = set()
    for shape in _SHAPES:
        for match in shape.finditer(text, start, end):
            if match.end() - match.start() <= LONGEST:
                token = match.group()
                found.update(_bare(token))
                found.add(token.partition("+")[2])  # "Bearer+" in a form field
    run = text[start:end] if end - start <= LONGEST else ""
    for part in (run.partition("="), run.partition(":"), run.rpartition(":")):
        found |= {part[0], *_bare(part[2])}
    return {token for token in found if SHORTEST <= len(token) <= LONGEST_IN_A_TEXT}


def _bare(token: str) -> Iterator[str]:
    """Yield ``token`` with and without the punctuation at its ends."""
    yield token
    stripped = token.strip(_AROUND)
    if stripped == token or len(stripped) < SHORTEST:
        return
    yield stripped
    before = min(len(token) - len(token.lstrip(_AROUND)), _MOST_AROUND)
    after = min(len(token) - len(token.rstrip(_AROUND)), _MOST_AROUND)
    for start in range(before + 1):
        for end in range(after + 1):
            yield token[start : len(token) - end]


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
def may_contain_a_key(text: str) -> bool:
    """Return whether a word of ``text`` looks random, as keys do. The id of a key does not count.

    ``static/pasted-key.js`` asks the same before it sends the text.
    """
    words = _LONG_WORD.findall(_ID.sub("", text))
    mixed = (word for word in words if _LETTER.search(word) and _DIGIT_OR_CAPITAL.search(word))
    return any(not _reads_like_words(word) for word in mixed)


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


def decoded(content: Iterable[bytes]) -> Iterator[str]:
    """Decode a file chunk by chunk. Keys are ASCII, so Latin-1 finds them in most encodings."""
    decoder: codecs.IncrementalDecoder | None = None
    for chunk in content:
        if decoder is None:
            decoder = codecs.getincrementaldecoder(encoding_of(chunk))("replace")
        yield decoder.decode(chunk)


def is_windows_1252(content: bytes) -> bool:
    """Return whether ``content`` is text in Windows-1252, and not UTF-8, whole or damaged."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return False
    if content.startswith(codecs.BOM_UTF8) or _NOT_IN_WINDOWS_1252.search(content):
        return False
    whole = "".join(one for one in content.decode("utf-8", "ignore") if not one.isascii())
    return len(whole) < len(content.translate(None, _ASCII)) - len(whole.encode())


def encoding_of(beginning: bytes) -> str:
    """Recognise UTF-16 by its mark or, as most text is ASCII, by its zeros."""
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = beginning[:4096]
    half = max(len(sample) // 2, 1)
    for encoding, zeros, others in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if sample[zeros::2].count(0) > half * 0.6 and sample[others::2].count(0) < half * 0.1:
            return encoding
    return "latin-1"
