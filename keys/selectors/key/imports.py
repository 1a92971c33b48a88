"""Plan an import of declared keys: read a CSV file and check each line, without changing anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from keys import cerby
from keys.audit.guard import authorize
from keys.models import User
from keys.rules import scopes as catalogue
from keys.rules.errors import Invalid
from keys.rules.policy import Action, Actor
from keys.rules.scopes import in_order
from keys.validation import existing_key
from keys.validation.existing_key import Registration

REQUIRED = ("name", "owner", "expires", "purpose", "scopes")
OPTIONAL = ("created",)
LARGEST = 1024 * 1024
"""Bytes."""
MOST_LINES = 1000

_SCOPE_BY_WORDS = {
    words.lower(): scope.id for scope in catalogue.CATALOGUE.values() for words in (scope.id, scope.label)
}


@dataclass(frozen=True)
class Line:
    """``number`` is the line number in the file. ``problem`` says why the line is left out, or is empty.

    ``owner`` is a ``User``, or a person from Cerby whom the portal doesn't know yet.
    """

    number: int
    name: str
    owner_email: str
    registration: Registration | None = None
    owner: User | cerby.Person | None = None
    problem: str = ""


@dataclass(frozen=True)
class Plan:
    lines: list[Line]

    @property
    def good(self) -> list[Line]:
        return [line for line in self.lines if not line.problem]

    @property
    def bad(self) -> list[Line]:
        return [line for line in self.lines if line.problem]


def plan(actor: Actor, text: str) -> Plan:
    """Plan the import of ``text``, a CSV file with a header.

    Raise ``NotAllowed``, ``CerbyError``, or ``Invalid`` for the field ``file`` if the file can't be read.
    """
    authorize(actor, Action.REGISTER_KEY)
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise Invalid(file="The file is larger than 1 MB. Split it into several files.")
    rows = _rows(text)
    people = _people({row["owner"].lower() for _, row in rows})
    return Plan(list(_lines(rows, people)))


def _rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the number of each line and its stripped cells by column name."""
    text = text.removeprefix("\ufeff")
    header = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=";" if ";" in header and "," not in header else ",",
        strict=True,
    )
    try:
        numbered = [
            (reader.line_num, [cell.strip() for cell in cells])
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise Invalid(file=f"Line {reader.line_num} is not CSV: {error}.") from error
    if not numbered:
        raise Invalid(file="The file is empty.")
    names = _header(numbered.pop(0)[1])
    if not numbered:
        raise Invalid(file="The file has a header but no keys.")
    if len(numbered) > MOST_LINES:
        raise Invalid(
            file=f"The file has {len(numbered):,} keys; at most {MOST_LINES:,} are allowed. "
            "Split it into several files."
        )
    blank = dict.fromkeys((*REQUIRED, *OPTIONAL), "")
    return [
        (number, blank | dict(zip(names, cells, strict=False)) | _surplus(cells, names))
        for number, cells in numbered
    ]


def _header(cells: list[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in {*REQUIRED, *OPTIONAL}]
    expected = f"The first line must name the columns {', '.join(REQUIRED)}, and may name created."
    if missing:
        raise Invalid(file=f"The column {', '.join(missing)} is missing. {expected}")
    if unknown:
        raise Invalid(
            file=f"There is no column “{unknown[0][:30]}”. {expected} "
            "Never put the value of a key into the file."
        )
    if len(set(names)) < len(names):
        raise Invalid(file=f"A column appears twice. {expected}")
    return names


def _surplus(cells: list[str], names: list[str]) -> dict[str, str]:
    return {"surplus": "yes"} if any(cells[len(names) :]) else {}


def _people(emails: set[str]) -> dict[str, User | cerby.Person]:
    """Return people by email in lower case: those the portal knows, and others from Cerby's list."""
    known: dict[str, User | cerby.Person] = {
        user.email: user for user in User.objects.filter(email__in=emails)
    }
    if emails - known.keys():
        listed = {person.email.lower(): person for person in cerby.connect().people()}
        known |= {email: listed[email] for email in emails - known.keys() if email in listed}
    return known


def _lines(rows: list[tuple[int, dict[str, str]]], people: dict[str, User | cerby.Person]) -> Iterator[Line]:
    line_numbers: dict[tuple[str, str], int] = {}
    for number, row in rows:
        name, email = row["name"], row["owner"].lower()
        owner = people.get(email)
        try:
            if "surplus" in row:
                raise Invalid("The line has more cells than the header has columns.")  # noqa: TRY301 - shown with the line
            registration = _registration(row)
            _check(registration, owner, line_numbers)
        except Invalid as invalid:
            problem = " ".join(invalid.fields.values()) or invalid.sentence
            yield Line(number, name[:100], email[:254], problem=problem)
        else:
            line_numbers[registration.name.lower(), email] = number
            yield Line(number, name, email, registration=registration, owner=owner)


def _check(
    registration: Registration, owner: User | cerby.Person | None, line_numbers: dict[tuple[str, str], int]
) -> None:
    existing_key.check_registration(registration, timezone.now())
    if owner is None:
        raise Invalid(owner=f"Cerby knows nobody with the email “{registration.owner_email[:254]}”.")
    earlier = line_numbers.get((registration.name.lower(), registration.owner_email))
    if earlier is not None:
        raise Invalid(name=f"Line {earlier} already declares a key with this name and owner.")
    if existing_key.same_key(registration):
        raise Invalid(name="The inventory already has a key with this name and owner.")


def _registration(row: dict[str, str]) -> Registration:
    return Registration(
        name=row["name"],
        owner_email=row["owner"].lower(),
        purpose=row["purpose"],
        expires_at=_moment("expires", row["expires"]),
        created_at=_moment("created", row["created"]) if row["created"] else None,
        scopes=_scopes(row["scopes"]),
    )


def _moment(column: str, text: str) -> datetime:
    """Parse ``2027-01-31``, the start of the day in UTC, or ``2027-01-31T14:05+01:00``."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            **{column: f"“{text[:40]}” under {column} is not a time. Write 2027-01-31 or 2027-01-31T14:05Z."}
        ) from None


def _scopes(text: str) -> tuple[str, ...]:
    """Parse identifiers or labels of scopes, separated by semicolons, commas or line breaks."""
    words = [part.strip() for part in text.replace(",", ";").replace("\n", ";").split(";") if part.strip()]
    unknown = [word for word in words if word.lower() not in _SCOPE_BY_WORDS]
    if unknown:
        raise Invalid(scopes=f"“{unknown[0][:60]}” is not a scope that the portal knows.")
    return tuple(in_order(_SCOPE_BY_WORDS[word.lower()] for word in words))
