"""Return a page of the workspace's people, sorted by email, with filters.

Every page costs the same however many people there are: it reads at most ``MOST_CHECKED`` rows from the index
of the emails and checks the filters row by row. If that isn't enough to fill a page, the next page continues.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from django import forms
from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict

from keys.audit.guard import authorize
from keys.models import LISTED, ApiKey, User
from keys.rules import formatting
from keys.rules.cerby_roles import role_in_words
from keys.rules.folded_text import fold
from keys.rules.permissions import Action, Actor, Role
from keys.selectors.inventory.keyset import PAGE_SIZE, BoundedCountOf, Page
from keys.selectors.inventory.widgets import PlainInput, PlainSelect
from keys.selectors.people import unknown_roles

MOST_CHECKED = 5000
"""Rows that one page reads at most."""
CHUNK = 500
MOST_KEYS = 99
"""Keys that are counted for one person."""
_LARGEST_ID = 2**63 - 1
_YES_NO = [("", "Anyone"), ("yes", "Yes"), ("no", "No")]


class PeopleForm(forms.Form):
    q = forms.CharField(
        required=False,
        label="Search by name or email",
        max_length=254,
        widget=PlainInput(attrs={"type": "search"}),
    )
    role = forms.ChoiceField(
        required=False,
        label="Role",
        choices=[("", "Any role"), *((str(role.value), role.label) for role in sorted(Role, reverse=True))],
        widget=PlainSelect,
    )
    access = forms.ChoiceField(required=False, label="May sign in", choices=_YES_NO, widget=PlainSelect)
    keys = forms.ChoiceField(required=False, label="Owns keys", choices=_YES_NO, widget=PlainSelect)
    left = forms.ChoiceField(required=False, label="Has left", choices=_YES_NO, widget=PlainSelect)
    after = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)
    before = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)

    def __init__(self, params: QueryDict) -> None:
        super().__init__(params)
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)
        for one in unknown_roles():
            words = f"Not known: {one.identifier or 'not readable'}"
            role.choices = [*role.widget.choices, (f"{UNKNOWN}{one.identifier}", words)]


UNKNOWN = "unknown:"
"""The start of the filter by a role of Cerby's that the portal does not know."""
FILTERS = ("q", "role", "access", "keys", "left")


@dataclass(frozen=True)
class PersonRow:
    """``keys`` is a bounded count, such as ``3`` or ``99+``."""

    id: int
    name: str
    email: str
    role: str
    access: str
    keys: str
    last_sign_in: str
    last_sign_in_exact: str
    last_sign_in_iso: str


@dataclass(frozen=True)
class People:
    """``checked_until``: the last email that was checked, if there may be more matches behind it."""

    form: PeopleForm
    page: Page[PersonRow] = field(default_factory=lambda: Page([], None, None))
    checked_until: str = ""

    @property
    def in_use(self) -> bool:
        return any(self.form.cleaned_data.get(name) for name in FILTERS)

    @property
    def reasons(self) -> str:
        return " ".join(str(reason) for reasons in self.form.errors.values() for reason in reasons)


def people_page(actor: Actor, params: QueryDict) -> People:
    """Return the page of the people for the query string ``params``. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_PEOPLE)
    form = PeopleForm(params)
    if not form.is_valid():
        return People(form)
    chosen = form.cleaned_data
    backwards = chosen["before"] is not None and chosen["after"] is None
    boundary = _email_of(chosen["before"] if backwards else chosen["after"])
    backwards = backwards and boundary is not None
    found, end = _walk(chosen, boundary, backwards=backwards)
    shown = found[:PAGE_SIZE]
    onward = shown[-1].id if len(found) > PAGE_SIZE else end.id if end else None
    cursor = chosen["before"] if backwards else chosen["after"]
    back = None if boundary is None else shown[0].id if shown else cursor
    page = Page(
        _rows(shown[::-1] if backwards else shown), *((back, onward) if backwards else (onward, back))
    )
    return People(form, page, end.email if end else "")


class _Found(NamedTuple):
    id: int
    email: str
    name: str


def _walk(
    chosen: dict[str, Any], boundary: str | None, *, backwards: bool
) -> tuple[list[_Found], _Found | None]:
    """Return up to a page of matches and one more, and the last checked row if rows may follow it."""
    people = User.objects.order_by("-email" if backwards else "email")
    if boundary is not None:
        people = people.filter(**{"email__lt" if backwards else "email__gt": boundary})
    if "@" in chosen["q"] and User.objects.filter(email=chosen["q"].lower()).exists():
        people = people.filter(email=chosen["q"].lower())
    end = None
    if any(chosen[name] for name in FILTERS):
        end = next(iter(_read(people[MOST_CHECKED - 1 : MOST_CHECKED])), None)
        if end is not None:
            people = people.filter(**{"email__gte" if backwards else "email__lte": end.email})
    sought = fold(chosen["q"].strip())
    matches = (
        row for row in _read(_narrowed(people, chosen)) if sought in row.email or sought in fold(row.name)
    )
    found = list(islice(matches, PAGE_SIZE + 1))
    return found, end if len(found) <= PAGE_SIZE else None


def _narrowed(people: QuerySet[User], chosen: dict[str, Any]) -> QuerySet[User]:
    if chosen["role"].startswith(UNKNOWN):
        name = chosen["role"].removeprefix(UNKNOWN)
        people = people.filter(role_known=False, left_at=None, cerby_role=name)
    elif chosen["role"]:
        people = people.filter(role=int(chosen["role"]))
    if chosen["access"]:
        people = people.filter(is_active=chosen["access"] == "yes")
    if chosen["left"]:
        people = people.filter(left_at__isnull=chosen["left"] == "no")
    if chosen["keys"]:
        owns = Exists(ApiKey.objects.filter(LISTED, owner_id=OuterRef("pk")))
        people = people.filter(owns if chosen["keys"] == "yes" else ~owns)
    return people if chosen["q"] else people[: PAGE_SIZE + 1]


def _read(people: QuerySet[User]) -> Iterator[_Found]:
    return (_Found(*row) for row in people.values_list("pk", "email", "name").iterator(chunk_size=CHUNK))


def _email_of(user_id: int | None) -> str | None:
    if user_id is None:
        return None
    return User.objects.filter(pk=user_id).values_list("email", flat=True).first()


def _rows(found: list[_Found]) -> list[PersonRow]:
    """Return the rows with what only the page shows, in one query."""
    keys = BoundedCountOf(ApiKey.objects.filter(LISTED, owner_id=OuterRef("pk")), MOST_KEYS + 1)
    people = User.objects.annotate(key_count=keys).in_bulk([row.id for row in found])
    return [_row(people[row.id]) for row in found if row.id in people]


def _row(user: Any) -> PersonRow:
    day, exact, iso = formatting.day_exact_iso(user.last_login) if user.last_login else ("Never", "", "")
    access = "Has left" if user.left_at else "May sign in" if user.is_active else "No access"
    return PersonRow(
        id=user.pk,
        name=user.name,
        email=user.email,
        role=role_in_words(Role(user.role), user.cerby_role, known=user.role_known),
        access=access,
        keys=f"{MOST_KEYS}+" if user.key_count > MOST_KEYS else str(user.key_count),
        last_sign_in=day,
        last_sign_in_exact=exact,
        last_sign_in_iso=iso,
    )
