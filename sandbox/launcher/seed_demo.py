"""Fill the portal with the sandbox's people and keys, and list the demo people who may sign in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from keys import cerby
from keys.actions.people import sign_in
from keys.actions.people.add import add_person
from keys.actions.people.refresh import create_unknown_users
from keys.audit import log
from keys.audit.guard import authorize
from keys.crypto.password_hash import digest_of_hash
from keys.models import ApiKey, User
from keys.rules.errors import CerbyError, NotAllowed
from keys.rules.events import Event
from keys.rules.folded_text import fold
from keys.rules.lifecycle import State
from keys.rules.permissions import Action, Actor, Role
from keys.rules.scopes import in_order
from sandbox.launcher.processes import RunError
from sandbox.seed import at_work

DOMAIN = "contenzilla.example"
PEOPLE = [f"{name}@{DOMAIN}" for name in ("owner", "super-admin", "admin", "user", "login-only", "guest")]
UNCONFIRMED_EVERY = 9
"""Every ninth live key was viewed, but not confirmed as stored."""
BEGINNING = timedelta(days=450)
"""The portal was set up before the oldest key was made: the events of the audit log are in order of time."""
SECOND, SWEPT_AFTER, ADOPTED_AFTER = timedelta(seconds=1), timedelta(minutes=15), timedelta(hours=1)
SIGNED_IN_BEFORE = timedelta(minutes=4)
COLLEAGUES = [f"{name}@{DOMAIN}" for name in ("priya.raman", "jonas.weiss", "mei.tanaka")]
"""People who use the portal, too, so that the keys have more owners. They have the same password."""
ADOPTED = {"Team directory widget", "Campaign credentials", "Press team credentials", "Hackathon project"}
"""Keys that Users made in Cerby's web app, because Users generate none here. An admin adopted them."""
ADOPTER = "admin"
TEAMS = {
    "owner": "Security",
    "super-admin": "Security",
    "admin": "IT",
    "priya.raman": "IT",
    "jonas.weiss": "Platform",
    "mei.tanaka": "Marketing",
}
SYSTEMS = ("Okta", "Terraform", "Slack", "ServiceNow", "BigQuery", "Jira", "Zapier", "SIEM", "Data warehouse")
"""A key whose name begins with one of these is used by that system."""
VENDORS = {"Partner portal sync", "Vendor due diligence", "Penetration test 2026"}
BROWSERS = {
    "owner": ("203.0.113.5", "Safari on macOS"),
    "super-admin": ("198.51.100.7", "Firefox on Linux"),
    "admin": ("198.51.100.14", "Chrome on macOS"),
    "user": ("192.0.2.23", "Firefox on Windows"),
    "guest": ("192.0.2.80", "Edge on Windows"),
    "priya.raman": ("198.51.100.21", "Chrome on Windows"),
    "jonas.weiss": ("198.51.100.33", "Firefox on Linux"),
    "mei.tanaka": ("203.0.113.77", "Safari on macOS"),
}
"""Each person's address and browser. The addresses are reserved for documentation."""
WRONG_PASSWORDS = ((6.3, "user"),)
REFUSALS = (
    (26.5, "guest", Action.SEE_INVENTORY),
    (6.2, "user", Action.GENERATE_KEY),
    (6.1, "user", Action.EXPORT_INVENTORY),
    (4.2, "admin", Action.END_QUARANTINE),
)
"""Days ago, person, and what their role does not allow."""


def seed_demo(password: str) -> str:
    """Add the sandbox's people and keys, and give each demo person ``password``. Return the sign-in table.

    Raises ``RunError`` if the portal is not connected to a sandbox, or if the sandbox does not answer.
    """
    if not settings.PORTAL_IS_SANDBOX:
        raise RunError("Demo people and keys need the sandbox, but CERBY_BASE_URL is another workspace.")
    if not password:
        raise RunError("Set DEMO_PASSWORD to a password for the demo people.")
    try:
        _add_people_and_keys(password)
    except CerbyError as error:
        raise RunError(error.sentence) from error
    return _sign_in_table(password)


def _add_people_and_keys(password: str) -> None:
    create_unknown_users(cerby.connect().people())
    is_new, now = not ApiKey.objects.exists(), timezone.now()
    with _clock_at(now - BEGINNING if is_new else now):
        for email in (*PEOPLE, *COLLEAGUES):
            add_person(email)
        _set_passwords(password)
    User.objects.filter(email__in=(*PEOPLE, *COLLEAGUES)).update(role_checked_at=now)
    if is_new:
        _add_keys()


def _set_passwords(password: str) -> None:
    stored = make_password(password)  # one hash for all, because it is slow
    for person in User.objects.filter(email__in=(*PEOPLE, *COLLEAGUES)):
        person.password = stored
        with transaction.atomic():
            person.save(update_fields=["password"])
            digest = digest_of_hash(stored)
            log.append(Event.PASSWORD_RESET, actor=person.as_actor(), password_digest=digest)


def _add_keys() -> None:
    owners = {user.cerby_id: user for user in User.objects.all()}
    keys = [
        _row(key, key.expires_at, owners[key.owner_id], number)
        for number, key in enumerate(_sandbox().keys(statuses=["active", "expired", "removed"]))
        if key.expires_at is not None
    ]
    with transaction.atomic():
        ApiKey.objects.bulk_create(keys)
        people = {user.email.partition("@")[0]: user for user in owners.values()}
        story = [*_people_story(people), *(step for key in keys for step in _key_story(key, people))]
        for step in sorted([*story, *_sign_ins(story)], key=lambda step: step.at):
            with _clock_at(step.at):
                step.tell()


def _sandbox() -> cerby.CerbyClient:
    """Return a client that may list the keys. In assisted mode, the portal's own client may not."""
    return cerby.CerbyClient(
        settings.CERBY_BASE_URL, token=settings.CERBY_TOKEN, api_key=settings.CERBY_API_KEY
    )


def _sign_in_table(password: str) -> str:
    rows = [
        f"{Role(user.role).label:<12}  {user.email:<36}  {password}"
        for user in User.objects.filter(email__in=PEOPLE).order_by("-role")
    ]
    return "\n".join([f"{'Role':<12}  {'Email':<36}  Password", *rows])


class Step(NamedTuple):
    """Something that happened ``at`` a time. ``person`` did it, if it was not the portal itself."""

    at: datetime
    tell: Callable[[], object]
    person: User | None = None


@contextmanager
def _clock_at(moment: datetime) -> Iterator[None]:
    """Let the portal's code run as if it were ``moment``, because the demo's events happened on many days.

    The MAC of an event is made with the key of its time, which ``time.time`` tells. The ratchet only goes
    forward, so the moments must be in order.
    """
    now, seconds = timezone.now, time.time
    timezone.now, time.time = lambda: moment, moment.timestamp
    try:
        yield
    finally:
        timezone.now, time.time = now, seconds


def _sign_ins(story: list[Step]) -> Iterator[Step]:
    """Yield a sign-in of each person before the first thing that they did on a day."""
    first: dict[tuple[int, date], Step] = {}
    for step in sorted(story, key=lambda step: step.at):
        if step.person is not None:
            first.setdefault((step.person.pk, step.at.date()), step)
    for step in first.values():
        assert step.person is not None
        at = step.at - SIGNED_IN_BEFORE
        User.objects.filter(pk=step.person.pk).update(last_login=at)
        ip, browser = BROWSERS[_name(step.person)]
        yield Step(at, partial(sign_in.record, step.person, ip=ip, browser=browser))


def _name(person: User) -> str:
    return person.email.partition("@")[0]


def _acting(person: User) -> Actor:
    ip, browser = BROWSERS[_name(person)]
    return person.as_actor(ip=ip, browser=browser)


def _key_story(key: ApiKey, people: dict[str, User]) -> Iterator[Step]:
    """Yield the events that explain the key's state, so that its history is complete."""
    owner, at = key.owner, key.created_at
    if key.origin == ApiKey.Origin.DISCOVERED:
        found_at = min(at + SWEPT_AFTER, timezone.now())
        found = _values(key)
        yield Step(found_at, partial(log.append, Event.KEY_DISCOVERED, actor=None, key=key, **found))
        if key.name in ADOPTED:
            adopter, answers = people[ADOPTER], {"id": str(owner.pk), "email": owner.email}
            details: dict[str, Any] = {"purpose": key.purpose, "accountable": answers}
            adopt = partial(log.append, Event.KEY_ADOPTED, actor=_acting(adopter), key=key, **details)
            yield Step(at + ADOPTED_AFTER, adopt, adopter)
    else:
        asked = {
            "scopes": key.scopes,
            "expires_at": key.expires_at.isoformat(),
            "purpose": key.purpose,
            **key.ownership_details(),
        }
        cerby_id = {"cerby_id": str(key.cerby_id)}
        issued = _values(key, "scopes", "created_at", "expires_at") | cerby_id
        issued |= {"last_four": "", "fingerprint_digest": ""}
        steps: list[tuple[Event, dict[str, Any]]] = [
            (Event.KEY_REQUESTED, asked),
            (Event.KEY_CALLED, {}),
            (Event.KEY_ISSUED, issued),
            (Event.KEY_REVEALED, {}),
        ]
        if key.state != State.CLAIMED:
            steps.append((Event.KEY_STORED, {"how": "confirmed by its owner"}))
        for number, (event, details) in enumerate(steps):
            tell = partial(log.append, event, actor=_acting(owner), key=key, **details)
            yield Step(at + number * SECOND, tell, owner)
    if key.state == State.REVOKED and key.removed_at is not None:
        deleter = owner if _name(owner) in BROWSERS else people[ADOPTER]
        start, done = Event.KEY_DELETION_STARTED, Event.KEY_DELETED
        begin = partial(log.append, start, actor=_acting(deleter), key=key, from_state=State.HELD)
        yield Step(key.removed_at - SECOND, begin, deleter)
        yield Step(key.removed_at, partial(log.append, done, actor=_acting(deleter), key=key), deleter)


def _values(key: ApiKey, *names: str) -> dict[str, Any]:
    values = {
        "cerby_id": str(key.cerby_id),
        "owner_id": str(key.owner_id),
        "scopes": key.scopes,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat(),
    }
    return {name: values[name] for name in names or values}


def _people_story(people: dict[str, User]) -> Iterator[Step]:
    """Yield wrong passwords and refused attempts of the last weeks."""
    now = timezone.now()
    for days, name in WRONG_PASSWORDS:
        at, (ip, browser) = at_work(now - timedelta(days=days), now), BROWSERS[name]
        yield Step(at, partial(sign_in.record_failure, people[name].email, ip=ip, browser=browser))
    for days, name, action in REFUSALS:
        yield Step(
            at_work(now - timedelta(days=days), now), partial(_try, people[name], action), people[name]
        )


def _try(person: User, action: Action) -> None:
    with suppress(NotAllowed):
        authorize(_acting(person), action)


def _row(key: cerby.UpstreamKey, expires_at: datetime, owner: User, number: int) -> ApiKey:
    state = State.REVOKED if key.status == "removed" else State.HELD
    if state is State.HELD and key.external_id and number % UNCONFIRMED_EVERY == 0:
        state = State.CLAIMED
    is_known = key.external_id is not None or key.name in ADOPTED
    about = _what_it_is_for(key.name, owner) if key.external_id is not None else {}
    return ApiKey(
        id=key.external_id or uuid.uuid4(),
        cerby_id=key.id,
        name=key.name,
        purpose=f"{key.name}, for {owner.name}." if is_known else "",
        origin=ApiKey.Origin.GENERATED if key.external_id else ApiKey.Origin.DISCOVERED,
        owner=owner,
        owner_name=owner.name,
        owner_email=owner.email,
        owner_left_at=owner.left_at,
        **ApiKey.accountable_columns(owner if is_known else None),
        **about,
        scopes=in_order(key.scopes),
        state=state,
        created_at=key.created_at,
        expires_at=expires_at,
        last_used_at=key.last_used_at,
        removed_at=key.removed_at,
        stored_at=key.created_at if key.external_id and state is not State.CLAIMED else None,
    )


def _what_it_is_for(name: str, owner: User) -> dict[str, str]:
    """Return the team, system, kind and environment that the owner entered when they generated the key."""
    team = TEAMS.get(_name(owner), "")
    system = next((system for system in SYSTEMS if name.startswith(system)), "")
    kind = ApiKey.Kind.VENDOR if name in VENDORS else ApiKey.Kind.WORKLOAD if system else ApiKey.Kind.PERSON
    environment = ApiKey.Environment.PRODUCTION if system else ApiKey.Environment.OTHER
    folded = {"team_order": fold(team), "system_order": fold(system)}
    return {"team": team, "system": system, "kind": kind, "environment": environment, **folded}
