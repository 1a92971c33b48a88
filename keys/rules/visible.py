"""Show the characters in a name that nobody sees and that change how people read it.

Cerby accepts any name. A direction override makes "evil\u202egnp.exe" read as another name, and a name of
zero-width spaces cannot be clicked. Such characters are written as their code point, [U+202E]. Those that
join emoji and the letters of scripts such as Persian stay.
"""

from __future__ import annotations

import re

NO_NAME = "No name"
_JOINABLE = (
    "\u0590-\u1bff\u2190-\u2bff\u3030\u303d\u3297\u3299\ua840-\uabff\ufb1d-\ufdff\ufe0e\ufe0f\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f\U0001f000-\U0001faff"
)
"""Emoji, and letters of scripts that are written with joiners."""
JOINERS = re.compile(
    rf"(?<=[{_JOINABLE}])[\u200c\u200d](?=[{_JOINABLE}])"
    "|(?<=[\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007f]"
)
"""Invisible parts of emoji, flags and words in scripts such as Persian."""
_VARIANTS = re.compile(r"(?<=[^\x00-\"$-)+-/:-\x7f])[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors after a character that may have variants."""
_SUSPICIOUS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Control and format characters, fillers, tags and variation selectors, but not tabs and line breaks."""
_CODE = re.compile(r"\[U\+([0-9A-F]{4,5})\]")
_FIELDS = re.compile(r"(<textarea\b[^>]*>.*?</textarea>|\bvalue=\"[^\"]*\")", re.DOTALL)
_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n\r"


def visible(text: str) -> str:
    """Return ``text`` with its invisible characters as code points. Tabs and line breaks stay."""
    return text if text.isascii() and text.isprintable() else _SUSPICIOUS.sub(_shown, text)


def from_visible(text: str) -> str:
    """Return the text of which ``visible`` made ``text``. Codes of other characters stay as they are."""
    return _CODE.sub(lambda code: char if _SUSPICIOUS.match(char := chr(int(code[1], 16))) else code[0], text)


def named(name: str) -> str:
    """Return the name of a key as people see it, in one line and never empty."""
    if name.isascii() and name.isprintable() and name.strip():
        return name
    return re.sub(r"[\t\n\r]", _code, visible(name)) if name.strip() else NO_NAME


def visible_page(content: bytes) -> bytes:
    """Return an HTML page with its invisible characters as code points, except in what its forms send back.

    Nearly all pages have none, which takes a fraction of a millisecond to find out.
    """
    rest = content.translate(None, _PLAIN)  # whole characters remain, because UTF-8 has no ASCII within them
    if not rest or _SUSPICIOUS.search(rest.decode(errors="replace")) is None:
        return content
    parts = _FIELDS.split(content.decode(errors="replace"))
    parts[::2] = map(visible, parts[::2])
    return "".join(parts).encode()


def _shown(found: re.Match[str]) -> str:
    stays = any(kind.match(found.string, found.start()) for kind in (JOINERS, _VARIANTS))
    return found[0] if stays else _code(found)


def _code(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"
