"""Tell the cells of a pasted table from the frame around it, and classify them."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from datetime import date

from keys.rules.pasted_dates import Day, EitherDay, read_date

LONGEST_CELL = 300
"""Characters."""
LONGEST_STATUS = 60
NAME, CREATED, BY, STATUS = range(4)


class RowStatus(enum.StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REMOVED = "removed"


STATUSES = {
    **dict.fromkeys(("active", "enabled", "live", "valid"), RowStatus.ACTIVE),
    **dict.fromkeys(("removed", "revoked", "deleted", "disabled", "inactive"), RowStatus.REMOVED),
    "expired": RowStatus.EXPIRED,
}
COLUMNS = {
    **dict.fromkeys(("name", "api key name", "key name", "api key", "key"), NAME),
    **dict.fromkeys(("created on", "created", "created at", "creation date", "date created"), CREATED),
    **dict.fromkeys(("by", "created by", "owner", "user", "creator", "author"), BY),
    **dict.fromkeys(("status", "state"), STATUS),
}
_MORE_COLUMNS = frozenset(
    {
        *("last used", "last used on", "last used at", "expires", "expires on", "expires at", "expiration"),
        *("expiration date", "expiry", "scopes", "id", "type", "description", "updated", "updated on"),
        *("actions", "action", "options", "more options", "menu"),
    }
)
_FRAME = re.compile(
    r"""(?: (?:prev(?:ious)?\ ?)?[\d….\ ]+(?:\ ?next)?
    | \d+\ -\ \d+ | [.…⋮⋯•·|<>«»\u2039\u203A←→✓☐☑□-]+ | page | rows
    | (?:rows|items|results|entries)\ per\ page:?(?:\ \d+)?
    | (?:showing\ )?[\d,.]+\ ?(?:[-\u2013\u2014]|to)\ ?[\d,.]+\ of\ [\d,.]+
      (?:\ (?:rows|items|results|entries|(?:api\ )?keys))?
    | of\ \d+ | (?:go\ to\ )?page\ \d+(?:\ of\ \d+)?
    | (?:go\ to\ )?(?:the\ )?(?:previous|next|first|last)(?:\ page)? | back | more
    | more\ options | more\ actions | open\ (?:the\ )?menu | row\ menu | options\ menu | menu
    | select(?:\ all)?(?:\ rows?)? | (?:un)?checked
    | \d+\ (?:rows?\ )?selected | sort(?:ed)?(?:\ by)?(?:\ \w+)? | sort(?:ed)?\ (?:ascending|descending)
    | ascending | descending | api\ keys? | api\ key\ settings | (?:\+\ ?)?generate\ api\ key
    | delete(?:\ api\ key)? | edit | search | filters? | load\ more | loading
    | arrow_\w+ | more_vert | more_horiz | keyboard_arrow_\w+ | expand_\w+ )""",
    re.VERBOSE | re.IGNORECASE,
)
_EMPTY = frozenset(
    {"", "never", "n/a", "none", "not used", "never used", "no expiration", "-", "\u2013", "\u2014"}
)
_BREAKS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n\t]+")
_UNSEEN = dict.fromkeys(
    [
        *(*range(0x09), *range(0x0E, 0x20), 0x7F, 0xAD, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF),
        *(*range(0x202A, 0x202F), *range(0x2060, 0x2070)),
    ]
)
EMAIL = re.compile(r"[^\s@<>(),;:\"]+@[^\s@<>(),;:\"]+\.[^\s@<>(),;:\"]+")


@dataclass
class Record:
    """The cells of one row, as pasted, and what they mean. ``why``: why it cannot be read.

    ``date`` is None if there is none; ``has_no_date``: the table has no such column.
    """

    line: int
    cells: list[str]
    name: list[str] = field(default_factory=list)
    date: Day | EitherDay | None = None
    has_no_date: bool = False
    by: list[str] = field(default_factory=list)
    shown: str = ""
    why: str = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.cells).split())


def clean(text: str) -> str:
    """Return ``text`` with plain line breaks and spaces, and without invisible characters."""
    return _SPACES.sub(" ", _BREAKS.sub("\n", text).translate(_UNSEEN))


def status_of(text: str) -> RowStatus | None:
    """Return the status that a cell names, ignoring an icon, a bullet or a note in brackets beside it."""
    if len(text) > LONGEST_STATUS:
        return None
    return STATUSES.get(re.sub(r"\s*\(.*\)$", "", text.casefold()).strip(" •·●◦.:✓✔✕✖"))


def is_status(text: str) -> bool:
    return status_of(text) is not None


def is_date(text: str, today: date) -> bool:
    return read_date(text, today) is not None


def is_frame(text: str) -> bool:
    """Return whether ``text`` belongs to the page around the table: a button, a count, a menu."""
    return len(text) <= LONGEST_CELL and _FRAME.fullmatch(text) is not None


def is_heading(text: str) -> bool:
    return text.casefold() in COLUMNS or text.casefold() in _MORE_COLUMNS


def is_empty(text: str) -> bool:
    return text.casefold() in _EMPTY


def cell_lines(cell: str) -> list[str]:
    return [line for part in cell.split("\n") if (line := part.strip())]
