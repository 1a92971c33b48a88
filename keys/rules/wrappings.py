"""Undo the encodings in which keys leak: escapes, base64, and breaks in the middle of a key.

Each function takes a text of at most some hundred kilobytes and runs in proportion to its length. A decoded
text is searched beside the original, so that it does no harm if an escape was no escape.
"""

from __future__ import annotations

import binascii
import html
import re
from bisect import bisect_right
from collections.abc import Iterator

from django.views.decorators.debug import sensitive_variables

from keys.rules.key_text import LONGEST_IN_A_TEXT, SHORTEST, Lately

MOST_PARTS = 8
"""Lines over which a key may be broken."""
MOST_JOINED = 2_000
"""A text with more possible breaks is a list, and a key is expected to be broken in two at most."""

_ESC = r"(?:\x1b|\\x1[bB]|\\u001[bB]|\\0?33|\\e|\^\[|\u241b)"
_ESCAPES = re.compile(
    r"(?=[\x00\x1b\\^\[%&<\u241b\u00ad\u200b-\u200f\u2060-\u2064\ufeff\xc2\xe2\xef])"  # for speed
    rf"(?:(?P<gone>\x00+|{_ESC}\[[0-?]*[ -/]*[@-~]"
    rf"|{_ESC}\][^\x07\x1b\n]{{0,200}}(?:\x07|\x1b\\)|{_ESC}[()][0-9A-Z]"
    r"|\[[0-9;]{1,12}m"  # a colour code that has lost its first character
    r"|[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]"  # invisible: soft hyphens, joiners, byte order marks
    r"|\xc2\xad|\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)"  # the same, UTF-8 read as Latin-1
    r"|(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
    r"|(?P<unit>%u[0-9A-Fa-f]{4}|\\+(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}))"
    r"|\\(?P<octal>[0-3][0-7]{2})"
    r"|(?P<backslash>\\[^A-Za-z0-9]|\\[nrt])"
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
    r"|(?P<tag></?[A-Za-z][^<>]{0,500}>))"
)
_CONCATENATED = re.compile(r"[\"'`][ \t]*[+.&][ \t]*[\"'`]")
_WHITE_SPACE = {"n": "\n", "r": "\r", "t": "\t"}
_ENDS_A_LINE = re.compile(r"</?(?:\w+:)?(?:p|br|tr|td|th|div|li|pre|row|si|v|h[1-6]|line-break)\b[^>]*>")
_QUOTED_PRINTABLE = re.compile(r"=(?:[ \t]*\r?\n|([0-9A-Fa-f]{2}))")
_IS_QUOTED_PRINTABLE = re.compile(r"=[ \t]*\r?\n|=[0-9A-F]{2}")

_IN_A_RUN = re.compile(r"[^\s\"'`<>(){}\[\],;|\\\x00-\x1f\x7f-\U0010ffff]*")
_BEFORE_A_PART = re.compile(r"(?:[-+>|#*;]{1,3}|//|[0-9]{1,6}(?:[:|)-]|(?=[ \t])))?[ \t]*[\"'`]?")
_AFTER_A_PART = (" \t\\\"'`", " \t\\\"'`+.&", " \t\\\"'`+.&_")
_MAY_FOLLOW = _AFTER_A_PART[-1]

_LETTERS = "A-Za-z0-9+/_-"
_BASE64 = re.compile(rf"(?<![{_LETTERS}])[{_LETTERS}]{{24,}}+={{0,2}}")
_BASE64_LINES = re.compile(
    rf"(?<![{_LETTERS}])(?:[{_LETTERS}]{{16,}}+[ \t]*\\?\r?\n[ \t>|]*)+[{_LETTERS}]++={{0,2}}"
)
_STANDARD = str.maketrans({"-": "+", "_": "/"} | dict.fromkeys(" \t\r\n>|\\="))
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){20,}+")
_LIKE_TEXT = re.compile(rb"[\x21-\x7e]{20,}")


@sensitive_variables()
def undone(text: str, *, fields: bool) -> list[str]:
    """Return ``text`` with its escapes undone once, in each way that changes it.

    ``fields``: also read it as the fields of a form, in which a plus is a space.
    """
    found = [_CONCATENATED.sub("", _ESCAPES.sub(_plain, text))]
    if fields and "%" in text and ("&" in text or "+" in text):
        found.append(_ESCAPES.sub(_plain, text.replace("&", "\n").replace("+", " ")))
    if _IS_QUOTED_PRINTABLE.search(text):
        found.append(_QUOTED_PRINTABLE.sub(lambda match: chr(int(match[1], 16)) if match[1] else "", text))
    return [one for one in dict.fromkeys(found) if one != text]


def _plain(match: re.Match[str]) -> str:
    kind, escape = str(match.lastgroup), match.group()
    if kind == "percent":
        return bytes.fromhex(escape.replace("%", "")).decode("latin-1")
    if kind == "unit":
        return _character(int(escape.lstrip("%\\")[1:].strip("{}"), 16))
    if kind == "octal":
        return chr(int(match["octal"], 8))
    if kind == "backslash":
        return _WHITE_SPACE.get(escape[1], escape[1])
    if kind == "entity":
        return html.unescape(escape)
    return "\n" if _ENDS_A_LINE.match(escape) else ""


def _character(number: int) -> str:
    return chr(number) if number <= 0x10FFFF else ""  # noqa: PLR2004 - the last of Unicode


@sensitive_variables()
def joined(text: str) -> Iterator[str]:
    """Yield the runs of characters that a line break may have broken in two or more.

    Signs of a diff, of a quotation or of a string may stand at the ends of the lines.
    """
    chains: list[str] = []
    found = 0
    for line in text.split("\n"):
        bare = line.strip()
        starts = {bare, bare[_end_of(_BEFORE_A_PART, bare) :]}
        heads = {start[: _end_of(_IN_A_RUN, start[:LONGEST_IN_A_TEXT])] for start in starts} - {""}
        for chain in chains:
            for head in heads:
                if len(chain) + len(head) >= SHORTEST:
                    found += 1
                    yield chain + head
        tails = {_tail(end) for end in _ends(bare)} - {""}
        longer: list[str] = []
        if chains and found < MOST_JOINED:
            whole = {end for start in starts for end in _ends(start)} & heads
            longer = [c + part for c in chains for part in whole if len(c) + len(part) < LONGEST_IN_A_TEXT]
        chains = [*tails, *longer[: MOST_PARTS - 1]]


def _ends(text: str) -> set[str]:
    if text[-1:] not in _MAY_FOLLOW:
        return {text}
    return {text, *(text.rstrip(after) for after in _AFTER_A_PART)}


def _end_of(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.match(text)
    return match.end() if match else 0


def _tail(text: str) -> str:
    backwards = text[: -LONGEST_IN_A_TEXT - 1 : -1]
    return backwards[: _end_of(_IN_A_RUN, backwards)][::-1]


@sensitive_variables()
def encoded_values(text: str, lately: Lately) -> Iterator[bytes]:
    """Yield the content of each base64 or hexadecimal value that is not in ``lately``.

    The beginning of a value may be missing, and other characters may stand before it: all four ways to begin
    with base64 are tried. Content that has neither text nor the beginning of an archive is left out.
    """
    for match in _HEX.finditer(text):
        yield from filter(_worth_reading, [bytes.fromhex(match.group())])
    blocks = list(_BASE64_LINES.finditer(text))
    for match in blocks:
        yield from filter(_worth_reading, _from_base64(match.group()))
    ends = [match.end() for match in blocks]
    for match in _BASE64.finditer(text):
        if not lately.is_new(match.group()):
            continue
        following = bisect_right(ends, match.start())
        in_block = following < len(blocks) and blocks[following].start() <= match.start()
        for content in _from_base64(match.group()):
            if _has_text(content) or (is_packed(content) and not in_block):
                yield content


def _from_base64(encoded: str) -> Iterator[bytes]:
    value = encoded.translate(_STANDARD)
    for start in range(4):
        part = value[start:]
        part = part[: len(part) - 1] if len(part) % 4 == 1 else part
        yield binascii.a2b_base64(part + "=" * (-len(part) % 4))


def _worth_reading(content: bytes) -> bool:
    return _has_text(content) or is_packed(content)


def _has_text(content: bytes) -> bool:
    return bool(_LIKE_TEXT.search(content.replace(b"\0", b"")))


PACKED = (b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh91AY&SY", b"\xfd7zXZ\x00")


def is_packed(content: bytes) -> bool:
    return content.startswith(PACKED)
