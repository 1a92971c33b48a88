"""Check who answers for a key and its purpose: people's emails, team, system, review date and tags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from keys.models import ApiKey
from keys.rules.errors import Invalid
from keys.rules.folded_text import fold
from keys.validation.text import check_text, tidy

TEAM_LENGTH = SYSTEM_LENGTH = 100
MOST_TAGS, TAG_LENGTH = 10, 40
NOTE_LENGTH = 500
REASON_LENGTH = 300
LONGEST_AHEAD = timedelta(days=10 * 366)


@dataclass(frozen=True)
class Ownership:
    """The values as a person enters them, empty if not given.

    ``accountable`` and ``backup`` are emails in lower case.
    """

    accountable: str = ""
    backup: str = ""
    team: str = ""
    system: str = ""
    kind: str = ""
    environment: str = ""
    review_on: date | None = None
    tags: tuple[str, ...] = ()


def check_ownership(ownership: Ownership) -> None:
    """Raise ``Invalid`` for the first field that breaks a rule."""
    check_optional("team", "The team", ownership.team, TEAM_LENGTH)
    check_optional("system", "The system", ownership.system, SYSTEM_LENGTH)
    _check_choice("kind", ownership.kind, ApiKey.Kind.values)
    _check_choice("environment", ownership.environment, ApiKey.Environment.values)
    check_review_date(ownership.review_on)
    check_tags(ownership.tags)
    if ownership.backup and ownership.backup == ownership.accountable:
        raise Invalid(backup="The backup is the accountable person already. Enter another person.")


def check_optional(field: str, subject: str, text: str, length: int) -> None:
    if text:
        check_text(field, subject, text, length)


def check_review_date(day: date | None) -> None:
    if day is not None and day > timezone.localdate() + LONGEST_AHEAD:
        raise Invalid(review_on="This is more than ten years from now. Choose an earlier day.")


def check_tags(tags: tuple[str, ...]) -> None:
    if len(tags) > MOST_TAGS:
        raise Invalid(tags=f"These are {len(tags)} tags; {MOST_TAGS} are allowed.")
    for tag in tags:
        check_text("tags", f"The tag “{tag[:TAG_LENGTH]}”", tag, TAG_LENGTH)


def tags_in(text: str) -> tuple[str, ...]:
    """Split ``text`` at commas, semicolons and line breaks into tags, case-folded, sorted and each once."""
    return tuple(sorted({fold(tidy(part)) for part in re.split(r"[,;\r\n]", text)} - {""}))


def _check_choice(field: str, value: str, allowed: list[str]) -> None:
    if value and value not in allowed:
        raise Invalid(**{field: f"“{value[:40]}” is not one of {', '.join(allowed)}."})
