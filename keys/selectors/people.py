"""Return people to ask, the page of one person, and the table of roles and actions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import LISTED, ApiKey, AuditEvent, SsoLink, User
from keys.rules.cerby_roles import ROLES, role_in_words
from keys.rules.errors import NotFound
from keys.rules.events import Event
from keys.rules.lifecycle import Status, status
from keys.rules.permissions import HIGHEST, Action, Actor, KeyManagement, OwnKey, Role, Rule, matrix, refusal
from keys.selectors.account.sessions import LiveSession, live_sessions
from keys.selectors.activity.acts import Shown
from keys.selectors.activity.filters import by_owner
from keys.selectors.activity.table import newest
from keys.selectors.factors.page import Factors, factors_of
from keys.selectors.sso.link import sso_links_of

SHOWN = 5
SHOWN_ROLES = 10
SHOWN_KEYS, SHOWN_EVENTS = 20, 50
_ROLE_EVENTS = (
    Event.PERSON_ADDED.value,
    Event.PERSON_REMOVED.value,
    Event.PERSON_CHANGED.value,
    Event.SESSIONS_ENDED.value,
    Event.SSO_LINKED.value,
    Event.SSO_UNLINKED.value,
    Event.FACTORS_RESET.value,
)


def whom_to_ask() -> list[User]:
    """Return the workspace's Owner and Super Admins that the portal knows, highest role first."""
    asked = User.objects.filter(role__in=[Role.OWNER, Role.SUPER_ADMIN], is_active=True)
    return list(asked.order_by("-role", "name")[:SHOWN])


def who_may_reset(person: User) -> list[User]:
    """Return people of ``whom_to_ask`` who may reset the second factors of ``person``."""
    return [one for one in whom_to_ask() if one.pk != person.pk and one.role >= person.role]


def recipients() -> list[str]:
    """Return PORTAL_ALERT_EMAILS, or the Owner and the Super Admins who may sign in if it is not set."""
    if settings.PORTAL_ALERT_EMAILS:
        return list(settings.PORTAL_ALERT_EMAILS)
    people = User.objects.filter(is_active=True, role__in=HIGHEST).order_by("email")
    return list(people.values_list("email", flat=True))


def owners() -> list[str]:
    """Return the emails of the Owners who may sign in."""
    people = User.objects.filter(is_active=True, role=Role.OWNER).order_by("email")
    return list(people.values_list("email", flat=True))


def unknown_emails(emails: Collection[str]) -> list[str]:
    """Return those of ``emails`` that nobody has who was ever added. None, while the portal has no people."""
    added = User.objects.exclude(added_at=None)
    known = set(added.filter(email__in=emails).values_list("email", flat=True))
    return sorted(set(emails) - known) if added.exists() else []


def owns_keys(user_id: int) -> bool:
    return ApiKey.objects.filter(owner_id=user_id).exists()


@dataclass(frozen=True)
class MatrixRow:
    """``cells`` has pairs of permission and label for each role, lowest first, then for the key's owner."""

    action: str
    cells: list[tuple[bool, str]]
    note: str


_ONLY_IN_CERBY = "The portal itself cannot do it in assisted mode, only people in Cerby's web app."
_IN_ASSISTED_MODE = {
    Action.NARROW_KEY: _ONLY_IN_CERBY,
    Action.WIDEN_KEY: _ONLY_IN_CERBY,
    Action.DELETE_KEY: "In assisted mode, a person deletes it in Cerby's web app and confirms that here.",
    Action.REVEAL_KEY: "In assisted mode, its owner pastes it instead.",
}


def role_matrix() -> list[MatrixRow]:
    rules = matrix(KeyManagement(settings.PORTAL_KEY_MANAGEMENT))
    return [_row(action, rule) for action, rule in rules.items()]


def _row(action: Action, rule: Rule) -> MatrixRow:
    by_role = rule.own_key is not OwnKey.IS_REQUIRED
    cells = [(by_role and role in rule.roles, role.label) for role in Role]
    cells.append((rule.own_key is not OwnKey.DOES_NOT_MATTER, "The key's owner"))
    cells.append((rule.accountable, "Its accountable person"))
    notes = []
    if rule.at_least_key_owner:
        notes.append("The role must be at least as high as the role of the key's owner.")
    if rule.at_least_person:
        notes.append("The role must be at least as high as the role of the person.")
    if rule.not_oneself:
        notes.append("Nobody can do this to themselves.")
    if rule.backup:
        notes.append("The key's backup may do this as well.")
    if rule.fresh_role:
        notes.append("Cerby must have confirmed the role within the last minute.")
    if settings.CERBY_ISSUE_MODE == "assisted" and action in _IN_ASSISTED_MODE:
        notes.append(_IN_ASSISTED_MODE[action])
    return MatrixRow(action.words[0].upper() + action.words[1:], cells, " ".join(notes))


@dataclass(frozen=True)
class UnknownRole:
    """A role's identifier in Cerby that the portal does not know, and how many people have it."""

    identifier: str
    people: int


def unknown_roles() -> list[UnknownRole]:
    """Return at most ``SHOWN_ROLES`` of them, with one query over an index that holds only such people."""
    found = User.objects.filter(role_known=False, left_at=None).values("cerby_role")
    counted = found.annotate(people=Count("pk")).order_by("cerby_role")[:SHOWN_ROLES]
    return [UnknownRole(row["cerby_role"], row["people"]) for row in counted]


def role_names() -> list[tuple[str, str]]:
    """Return Cerby's identifiers of roles with the roles that they mean here, in words."""
    return [(name, role_in_words(role, name, known=True)) for name, role in ROLES.items()]


@dataclass(frozen=True)
class PersonPage:
    """All lists are newest first. ``more_keys``: the person owns more keys than are shown."""

    person: User
    role: str
    sessions: list[LiveSession]
    may_add: bool
    why_not_remove: str
    why_not_end: str
    factors: Factors
    why_not_reset: str
    sso_links: list[SsoLink]
    may_unlink: bool
    keys: list[tuple[ApiKey, Status]]
    more_keys: bool
    history: list[Shown]
    own_events: list[Shown]
    key_events: list[Shown]


def _about(person: User) -> Q:
    """Return the condition for events about ``person``: their email is among the event's personal values."""
    return Q(("personal__details.email", person.email))


def _with_status(keys: list[ApiKey]) -> list[tuple[ApiKey, Status]]:
    now = timezone.now()
    return [(key, status(key.phase, key.expires_at, now)) for key in keys]


def person_for(actor: Actor, user_id: int, action: Action) -> User:
    """Return the person if ``actor`` may do ``action`` to them. Raise ``NotAllowed`` or ``NotFound``."""
    authorize(actor, action)
    person = _known(user_id)
    authorize(actor, action, person=person)
    return person


def _known(user_id: int) -> User:
    person = User.objects.filter(pk=user_id).first()
    if person is None:
        raise NotFound("The portal does not know this person.")
    return person


def person_page(actor: Actor, user_id: int) -> PersonPage:
    """Raise ``NotAllowed`` or ``NotFound``."""
    authorize(actor, Action.SEE_ACTIVITY)
    person = _known(user_id)
    events, factors = AuditEvent.objects.all(), factors_of(person.pk)
    owned = list(ApiKey.objects.filter(LISTED, owner=person).order_by("-created_at", "-id")[: SHOWN_KEYS + 1])
    return PersonPage(
        person=person,
        role=person.role_in_words,
        sessions=live_sessions(person),
        may_add=person.added_at is None
        and person.left_at is None
        and actor.may(Action.ADD_PERSON, person=person),
        why_not_remove=refusal(actor, Action.REMOVE_PERSON, person=person) or "",
        why_not_end=refusal(actor, Action.END_SESSIONS, person=person) or "",
        factors=factors,
        why_not_reset=refusal(actor, Action.RESET_FACTORS, person=person) or "",
        sso_links=sso_links_of(person.pk),
        may_unlink=actor.may(Action.UNLINK_SSO, person=person),
        keys=_with_status(owned[:SHOWN_KEYS]),
        more_keys=len(owned) > SHOWN_KEYS,
        history=newest(events.filter(Q(type__in=_ROLE_EVENTS) & _about(person)), SHOWN_EVENTS),
        own_events=newest(events.filter(actor_email=person.email), SHOWN_EVENTS),
        key_events=newest(by_owner(events, person.email), SHOWN_EVENTS),
    )
