"""Return which of the people with the most rights have a second factor."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef

from keys.models import User
from keys.models.factor import APP, PASSKEY
from keys.rules.permissions import ADMINS, HIGHEST, Action, Actor, Role
from keys.rules.sso import issuer
from keys.selectors.factors.page import words_for

SHOWN = 100


@dataclass(frozen=True)
class AdminFactors:
    person: User
    role: str
    factors: str


@dataclass(frozen=True)
class FactorList:
    """``more``: there are more admins than ``rows``, of whom those with the highest roles come first."""

    rows: list[AdminFactors]
    more: bool

    @property
    def cerby_says(self) -> bool:
        """Return whether Cerby has said of anybody whether they have a second factor there."""
        return any(row.person.cerby_mfa is not None for row in self.rows)


def factors_of_admins(actor: Actor) -> FactorList | None:
    """Return the Owners, Super Admins and Admins who may sign in, or None if ``actor`` may not see people."""
    if not actor.may(Action.SEE_PEOPLE):
        return None
    admins = User.objects.filter(is_active=True, role__in=ADMINS).order_by("-role", "name", "pk")
    people = list(admins[: SHOWN + 1])
    kinds: dict[int, list[str]] = defaultdict(list)
    rows = Authenticator.objects.filter(user__in=people[:SHOWN], type__in=[APP, PASSKEY])
    for user_id, kind in rows.values_list("user_id", "type"):
        kinds[user_id].append(kind)
    shown = [
        AdminFactors(person, person.role_in_words, words_for(kinds[person.pk])) for person in people[:SHOWN]
    ]
    return FactorList(shown, more=len(people) > SHOWN)


def somebody_has_a_passkey() -> bool:
    """Return whether an Owner or Super Admin who may sign in has a passkey."""
    people = Authenticator.objects.filter(user__is_active=True, user__role__in=HIGHEST)
    return bool(people.filter(type=PASSKEY).exists())


def owners_with_a_password_alone() -> list[User]:
    """Return Owners without a second factor, or nobody if a sign-in provider is set up, which has its own."""
    if issuer():
        return []
    factors = Authenticator.objects.filter(user=OuterRef("pk"), type__in=[APP, PASSKEY])
    owners = User.objects.filter(role=Role.OWNER, is_active=True).exclude(Exists(factors))
    return list(owners.order_by("name", "pk")[:SHOWN])
