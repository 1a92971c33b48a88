"""Fill the portal with the sandbox's people and keys, and list the demo people who may sign in."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from keys import cerby
from keys.actions.people.add import add_person
from keys.actions.people.refresh import create_unknown_users
from keys.audit import log
from keys.models import ApiKey, User
from keys.rules.errors import CerbyError
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.policy import Role
from keys.rules.scopes import in_order
from sandbox.launcher.processes import RunError

DOMAIN = "contenzilla.example"
PEOPLE = [f"{name}@{DOMAIN}" for name in ("owner", "super-admin", "admin", "user", "login-only", "guest")]
UNCONFIRMED_EVERY = 9
"""Every ninth live key was viewed, but not confirmed as stored."""


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
    for email in PEOPLE:
        add_person(email)
    User.objects.filter(email__in=PEOPLE).update(password=make_password(password))
    if not ApiKey.objects.exists():
        _add_keys()


def _add_keys() -> None:
    owners = {user.cerby_id: user for user in User.objects.all()}
    keys = [
        _row(key, key.expires_at, owners[key.owner_id], number)
        for number, key in enumerate(_sandbox().keys(statuses=["active", "expired", "removed"]))
        if key.expires_at is not None
    ]
    with transaction.atomic():
        for key in ApiKey.objects.bulk_create(keys):
            _append_events(key)


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


def _append_events(key: ApiKey) -> None:
    """Append the events that explain the key's state, so that its history is complete."""
    if key.state == State.CLAIMED:
        for event in (Event.KEY_REQUESTED, Event.KEY_CALLED, Event.KEY_ISSUED, Event.KEY_REVEALED):
            asked = key.ownership_details() if event is Event.KEY_REQUESTED else {}
            log.append(event, actor=None, key=key, **asked)
        return
    log.append(
        Event.KEY_REGISTERED,
        actor=None,
        key=key,
        origin="Filled in for the demo",
        owner=key.owner_email,
        **key.ownership_details(),
    )
    if key.state == State.REVOKED:
        before, after = {"status": "active"}, {"status": "removed"}
        log.append(Event.KEY_CHANGED, actor=None, key=key, before=before, after=after)


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
        stored_at=key.created_at if state is State.HELD else None,
    )
