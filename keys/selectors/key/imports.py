"""Plan an import of declared keys: read a CSV file and check each line, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from keys import cerby
from keys.audit.guard import authorize
from keys.models import ApiKey, User
from keys.models.policy import policy_in_force
from keys.rules import formatting
from keys.rules import scopes as catalogue
from keys.rules.errors import CerbyError, Invalid, Taken
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, Status
from keys.rules.pasted_dates import DayOrder
from keys.rules.permissions import Action, Actor, Role
from keys.rules.policy.document import Policy
from keys.rules.scopes import in_order
from keys.selectors.key.import_dates import moment, order_of
from keys.selectors.key.import_file import Row, read_file
from keys.selectors.key.import_people import answering, email_if_here, ownership_of
from keys.selectors.policy.enforce import check_entered
from keys.validation import existing_key
from keys.validation.existing_key import Registration

LARGEST = 2 * 1024 * 1024
"""Bytes."""
_NOT_IN_USE = {
    status.label.casefold() for status in (Status.PENDING, Status.REMOVED, Status.FAILED, Status.WITHDRAWN)
}
_NOT_KNOWN = formatting.NOT_KNOWN.casefold()

_SCOPE_BY_WORDS = {
    words.lower(): scope.id for scope in catalogue.CATALOGUE.values() for words in (scope.id, scope.label)
}


@dataclass(frozen=True)
class Line:
    """``number`` is the line number in the file. ``problem`` says why the line is left out, or is empty.

    ``owner``, and each of ``answering`` (the accountable person and the backup), is a ``User``, or a person
    from Cerby whom the portal doesn't know yet. ``taken_by``: the key that already has the name and owner.
    """

    number: int
    name: str
    owner_email: str
    registration: Registration | None = None
    owner: User | cerby.Person | None = None
    answering: tuple[User | cerby.Person, ...] = ()
    problem: str = ""
    taken_by: UUID | None = None

    @property
    def expires(self) -> str:
        """Return how the date was read, with the time zone."""
        moment = self.registration.expires_at if self.registration else None
        if moment == EXPIRY_NOT_KNOWN:
            return formatting.NOT_KNOWN
        return formatting.to_the_minute(moment) if moment else ""

    @property
    def created(self) -> str:
        moment = self.registration.created_at if self.registration else None
        return formatting.to_the_minute(moment) if moment else ""

    @property
    def scopes(self) -> str:
        scopes = self.registration.scopes if self.registration else ()
        return formatting.scope_list(scopes) or formatting.NOT_KNOWN

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return who will answer for the key and what people wrote about it, each with its label."""
        if self.registration is None:
            return []
        who = self.registration.ownership
        facts = {
            "Purpose": self.registration.purpose,
            "Accountable person": who.accountable or "Nobody",
            "Backup": who.backup,
            "Team": who.team,
            "System": who.system,
            "Kind": ApiKey.Kind(who.kind).label if who.kind else "",
            "Environment": ApiKey.Environment(who.environment).label if who.environment else "",
            "Review date": f"{who.review_on.day} {who.review_on:%B %Y}" if who.review_on else "",
            "Tags": ", ".join(who.tags),
            "Note": self.registration.note,
        }
        return [(label, value) for label, value in facts.items() if value]


@dataclass(frozen=True)
class Plan:
    """``unused``: the columns that are not read. ``text``: the file without them, to import it."""

    lines: list[Line]
    unused: tuple[str, ...]
    text: str

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
        raise Invalid(file="The file is larger than 2 MB. Split it into several files.")
    file = read_file(text)
    emails = {row.cells[name].lower() for row in file.rows for name in ("owner", "accountable", "backup")}
    people = _people(emails - {""})
    return Plan(list(_lines(file.rows, people)), file.unused, file.text)


def _people(emails: set[str]) -> dict[str, User | cerby.Person]:
    """Return people by email in lower case: those the portal knows, and others from Cerby's list.

    If somebody has left, Cerby may know a successor with the same email.
    """
    known = {user.email: user for user in User.objects.filter(email__in=emails)}
    here = {email for email, user in known.items() if user.left_at is None}
    found: dict[str, User | cerby.Person] = {**known}
    if emails - here:
        try:
            listed = list(cerby.connect().people(within=cerby.A_PERSON_WAITS))
        except CerbyError:
            if emails - known.keys():
                raise
            return found
        for person in listed:
            email = person.email.lower()
            if email in emails - here and not (email in known and known[email].cerby_id == person.id):
                found[email] = person
    return found


def _lines(rows: list[Row], people: dict[str, User | cerby.Person]) -> Iterator[Line]:
    line_numbers: dict[tuple[str, str], int] = {}
    ahead = (row.cells[column] for row in rows for column in ("expires", "review"))
    order = order_of(ahead, (row.cells["created"] for row in rows))
    policy = policy_in_force()
    taken = existing_key.taken((row.cells["name"], row.cells["owner"].lower()) for row in rows)
    for row in rows:
        name, email = row.cells["name"], row.cells["owner"].lower()
        owner = people.get(email)
        try:
            registration = _registration(row, owner, order)
            existing_key.check_registration(registration, timezone.now(), may_lack=row.is_exported)
            _check(registration, owner, line_numbers, taken)
            _check_policy(registration, owner, policy)
            named = tuple(answering(registration.ownership, people))
        except Invalid as invalid:
            problem = " ".join(invalid.fields.values()) or invalid.sentence
            by = invalid.by if isinstance(invalid, Taken) else None
            yield Line(row.number, name[:100], email[:254], problem=problem, taken_by=by)
        else:
            line_numbers[existing_key.identity(registration)] = row.number
            yield Line(row.number, name, email, registration, owner, named)


def _check_policy(registration: Registration, owner: User | cerby.Person | None, policy: Policy) -> None:
    role = owner.role if isinstance(owner, User) else Role.USER
    has_accountable = bool(registration.ownership.accountable)
    check_entered(registration, role, policy, timezone.now(), has_accountable=has_accountable)


def _check(
    registration: Registration,
    owner: User | cerby.Person | None,
    line_numbers: dict[tuple[str, str], int],
    taken: Mapping[tuple[str, str], UUID],
) -> None:
    if owner is None:
        raise Invalid(owner=f"Cerby knows nobody with the email “{registration.owner_email[:254]}”.")
    earlier = line_numbers.get(existing_key.identity(registration))
    if earlier is not None:
        raise Invalid(name=f"Line {earlier} already declares a key with this name and owner.")
    if existing_key.identity(registration) in taken:
        raise Taken(
            "The inventory already has a key with this name and owner.",
            by=taken[existing_key.identity(registration)],
        )


def _registration(row: Row, owner: User | cerby.Person | None, order: DayOrder | None) -> Registration:
    if row.has_surplus:
        raise Invalid("The line has more cells than the header has columns.")
    cells = row.cells
    if cells.get("status", "").casefold() in _NOT_IN_USE:
        raise Invalid(f"Its status in the export is {cells['status']}.")
    created = "" if _is_not_known(row, "created") else cells["created"]
    return Registration(
        name=cells["name"],
        owner_email=cells["owner"].lower(),
        purpose=cells["purpose"],
        expires_at=EXPIRY_NOT_KNOWN
        if _is_not_known(row, "expires")
        else moment("expires", cells["expires"], order, is_utc=row.is_exported),
        created_at=moment("created", created, order, is_utc=row.is_exported) if created else None,
        scopes=_scopes(cells["scopes"]),
        ownership=ownership_of(cells, order, default="" if row.is_exported else email_if_here(owner)),
        note=cells["note"],
    )


def _is_not_known(row: Row, column: str) -> bool:
    return row.is_exported and row.cells[column].casefold() == _NOT_KNOWN


def _scopes(text: str) -> tuple[str, ...]:
    """Parse identifiers or labels of scopes, separated by semicolons, commas or line breaks."""
    words = [part.strip() for part in text.replace(",", ";").replace("\n", ";").split(";") if part.strip()]
    unknown = [word for word in words if word.lower() not in _SCOPE_BY_WORDS]
    if unknown:
        raise Invalid(scopes=f"“{unknown[0][:60]}” is not a scope that the portal knows.")
    return tuple(in_order(_SCOPE_BY_WORDS[word.lower()] for word in words))
