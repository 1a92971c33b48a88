"""Fill the portal with the sandbox's people and keys, and list the demo people who may sign in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

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
from keys.rules.lifecycle import State
from keys.rules.policy import Action, Role
from keys.rules.scopes import in_order
from sandbox.launcher.processes import RunError

DOMAIN = "contenzilla.example"
PEOPLE = [f"{name}@{DOMAIN}" for name in ("owner", "super-admin", "admin", "user", "login-only", "guest")]
UNCONFIRMED_EVERY = 9
"""Every ninth live key was viewed, but not confirmed as stored."""
BEGINNING = timedelta(days=450)
"""The portal was set up before the oldest key was made: the events of the audit log are in order of time."""
SECOND, SWEPT_AFTER = timedelta(seconds=1), timedelta(minutes=15)
SIGN_INS = (
    (33.1, "admin", "198.51.100.14", "Chrome on macOS"),
    (20.4, "super-admin", "198.51.100.7", "Firefox on Linux"),
    (12.2, "owner", "203.0.113.5", "Safari on macOS"),
    (5.6, "user", "192.0.2.23", "Firefox on Windows"),
    (2.3, "admin", "198.51.100.14", "Chrome on macOS"),
    (0.9, "super-admin", "198.51.100.7", "Firefox on Linux"),
)
"""Days ago, person, address and browser. The addresses are reserved for documentation."""
WRONG_PASSWORDS = ((5.61, "user", "192.0.2.23", "Firefox on Windows"),)
REFUSALS = (
    (26.5, "guest", Action.SEE_INVENTORY),
    (5.5, "user", Action.GENERATE_KEY),
    (5.4, "user", Action.EXPORT_INVENTORY),
    (1.2, "admin", Action.END_QUARANTINE),
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
        for email in PEOPLE:
            add_person(email)
        _set_passwords(password)
    User.objects.filter(email__in=PEOPLE).update(role_checked_at=now)
    if is_new:
        _add_keys()


def _set_passwords(password: str) -> None:
    stored = make_password(password)  # one hash for all, because it is slow
    for person in User.objects.filter(email__in=PEOPLE):
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
        story = [*_people_story(), *(step for key in keys for step in _key_story(key))]
        for at, tell in sorted(story, key=lambda step: step[0]):
            with _clock_at(at):
                tell()


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


Step = tuple[datetime, Callable[[], object]]


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


def _key_story(key: ApiKey) -> Iterator[Step]:
    """Yield the events that explain the key's state, so that its history is complete."""
    owner, at = key.owner.as_actor(), key.created_at
    if key.origin == ApiKey.Origin.DISCOVERED:
        found_at = min(at + SWEPT_AFTER, timezone.now())
        yield found_at, partial(log.append, Event.KEY_DISCOVERED, actor=None, key=key, **_values(key))
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
            yield at + number * SECOND, partial(log.append, event, actor=owner, key=key, **details)
    if key.state == State.REVOKED and key.removed_at is not None:
        start, done = Event.KEY_DELETION_STARTED, Event.KEY_DELETED
        yield key.removed_at - SECOND, partial(log.append, start, actor=owner, key=key, from_state=State.HELD)
        yield key.removed_at, partial(log.append, done, actor=owner, key=key)


def _values(key: ApiKey, *names: str) -> dict[str, Any]:
    values = {
        "cerby_id": str(key.cerby_id),
        "owner_id": str(key.owner_id),
        "scopes": key.scopes,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat(),
    }
    return {name: values[name] for name in names or values}


def _people_story() -> Iterator[Step]:
    """Yield sign-ins, wrong passwords and refused attempts of the last weeks."""
    now = timezone.now()
    people = {user.email.split("@")[0]: user for user in User.objects.all()}
    for days, name, ip, browser in SIGN_INS:
        at = now - timedelta(days=days)
        yield at, partial(sign_in.record, people[name], ip=ip, browser=browser)
    for days, name, ip, browser in WRONG_PASSWORDS:
        at, email = now - timedelta(days=days), people[name].email
        yield at, partial(sign_in.record_failure, email, ip=ip, browser=browser)
    for days, name, action in REFUSALS:
        yield now - timedelta(days=days), partial(_try, people[name], action)


def _try(person: User, action: Action) -> None:
    with suppress(NotAllowed):
        authorize(person.as_actor(ip="192.0.2.23", browser="Firefox on Windows"), action)


def _row(key: cerby.UpstreamKey, expires_at: datetime, owner: User, number: int) -> ApiKey:
    state = State.REVOKED if key.status == "removed" else State.HELD
    if state is State.HELD and key.external_id and number % UNCONFIRMED_EVERY == 0:
        state = State.CLAIMED
    return ApiKey(
        id=key.external_id or uuid.uuid4(),
        cerby_id=key.id,
        name=key.name,
        purpose=f"{key.name}, for {owner.name}." if key.external_id else "",
        origin=ApiKey.Origin.GENERATED if key.external_id else ApiKey.Origin.DISCOVERED,
        owner=owner,
        owner_name=owner.name,
        owner_email=owner.email,
        owner_left_at=owner.left_at,
        **ApiKey.accountable_columns(owner if key.external_id else None),
        scopes=in_order(key.scopes),
        state=state,
        created_at=key.created_at,
        expires_at=expires_at,
        last_used_at=key.last_used_at,
        removed_at=key.removed_at,
        stored_at=key.created_at if key.external_id and state is not State.CLAIMED else None,
    )
