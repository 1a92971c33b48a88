"""The people that all tests use, and how they sign in."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.audit import log
from keys.audit.results import seal_of
from keys.crypto.password_hash import digest_of_hash
from keys.models import (
    ApiKey,
    AuditEvent,
    InboxItem,
    LeaverPlan,
    SelectedKey,
    Selection,
    SessionStore,
    User,
    Verification,
)
from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.rules.lifecycle import State
from keys.rules.notifications import Kind
from keys.rules.permissions import Actor, Role
from keys.tlog.leaf import readable
from sandbox import Sandbox

PASSWORD = "a long enough password"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
MEMBERS = {
    "owner": Role.OWNER,
    "super_admin": Role.SUPER_ADMIN,
    "admin": Role.ADMIN,
    "user": Role.USER,
    "login_only": Role.LOGIN_ONLY,
    "guest": Role.GUEST,
}
BEFORE_THE_TEST = "Before the test."
_CERBY_ROLES = {
    Role.OWNER: "workspace_owner",
    Role.SUPER_ADMIN: "workspace_super_admin",
    Role.ADMIN: "workspace_admin",
    Role.USER: "workspace_user",
    Role.LOGIN_ONLY: "workspace_login_only",
    Role.GUEST: "workspace_guest_user",
}


@dataclass(frozen=True)
class Cast:
    """One person of each role, live in Cerby and allowed to sign in. ``outsider`` is nobody: not signed in."""

    owner: User
    super_admin: User
    admin: User
    user: User
    login_only: User
    guest: User
    outsider: None = field(default=None)

    def __getitem__(self, name: str) -> User | None:
        return getattr(self, name)


def people_in_cerby(sandbox: Sandbox) -> dict[str, str]:
    """Create the cast in the sandbox, and return their Cerby ids by name."""
    return {
        name: sandbox.add_person(
            email=email_of(name),
            first_name=role.label.split()[0],
            last_name="Person",
            role=_CERBY_ROLES[role],
        )
        for name, role in MEMBERS.items()
    }


def email_of(name: str) -> str:
    return f"{name.replace('_', '-')}@contenzilla.example"


def people_in_portal(ids: dict[str, str]) -> Cast:
    now = timezone.now()
    rows = [
        User(
            email=email_of(name),
            name=f"{role.label.split()[0]} Person",
            cerby_id=uuid.UUID(ids[name]),
            role=role,
            cerby_role=_CERBY_ROLES[role],
            role_checked_at=now,
            added_at=now,
            is_active=True,
        )
        for name, role in MEMBERS.items()
    ]
    for row in rows:
        row.set_password(PASSWORD)
    User.objects.bulk_create(rows)
    added = User.objects.in_bulk(field_name="email")
    members: dict[str, Any] = {name: added[email_of(name)] for name in MEMBERS}
    return Cast(**members)


def record_people() -> None:
    """Append the events that let people sign in, for a test that compares the rows with the audit log."""
    for user in User.objects.exclude(added_at=None).order_by("pk"):
        facts: dict[str, Any] = {"person": str(user.pk), "email": user.email, "role": user.role_in_words}
        log.append(Event.PERSON_ADDED, actor=None, reason=BEFORE_THE_TEST, **facts)
        digest = digest_of_hash(user.password)
        log.append(Event.PASSWORD_RESET, actor=user.as_actor(), password_digest=digest)


def signed_in(user: User | None, *, seconds_ago: float = 0) -> Client:
    """Return a browser in which ``user`` entered their password ``seconds_ago``. If it is None, nobody is signed in."""
    client = Client(headers={"user-agent": CHROME})
    if user is not None:
        session = SessionStore()
        session[SESSION_KEY] = session["account_authentication_methods_user"] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session["account_authentication_methods"] = [{"method": "password", "at": time.time() - seconds_ago}]
        session.create()
        client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


def actor(user: User) -> Actor:
    return user.as_actor(ip="192.0.2.7", browser="Chrome on Linux")


def a_key(owner: User, **columns: Any) -> ApiKey:
    """Create a key that only the inventory knows. It is held and active unless ``columns`` differ."""
    key = an_unsaved_key(owner, **columns)
    key.save(force_insert=True)
    return ApiKey.objects.select_related("owner").get(pk=key.pk)


def an_unsaved_key(owner: User, **columns: Any) -> ApiKey:
    """Return such a key without saving it, for example for ``bulk_create``."""
    now = timezone.now()
    return ApiKey(
        **{
            "id": uuid.uuid4(),
            "cerby_id": uuid.uuid4(),
            "name": f"Key {uuid.uuid4().hex[:8]}",
            "purpose": "To test with.",
            "owner": owner,
            "owner_name": owner.name,
            "owner_email": owner.email,
            "accountable": owner,
            "accountable_name": owner.name,
            "accountable_email": owner.email,
            "scopes": ["read:users"],
            "state": State.HELD,
            "created_at": now - timedelta(days=1),
            "expires_at": now + timedelta(days=30),
            "stored_at": now,
        }
        | columns
    )


def a_live_key(sandbox: Sandbox, owner: User, **columns: Any) -> tuple[ApiKey, str]:
    """Create a key in the inventory and in the sandbox, and return it with its plain text."""
    now = timezone.now()
    key_id = columns.pop("id", uuid.uuid4())
    facts = {
        "name": columns.pop("name", f"Key {key_id.hex[:8]}"),
        "scopes": columns.pop("scopes", ["read:users"]),
        "created_at": columns.pop("created_at", now - timedelta(days=1)),
        "expires_at": columns.pop("expires_at", now + timedelta(days=30)),
    }
    cerby_id, plain = sandbox.add_key(owner_email=owner.email, external_id=str(key_id), **facts)
    return a_key(owner, id=key_id, cerby_id=uuid.UUID(cerby_id), **facts, **columns), plain


_MADE = (Event.KEY_REQUESTED, Event.KEY_CALLED, Event.KEY_ISSUED)
_LIVES: dict[State, tuple[Event, ...]] = {
    State.REQUESTED: _MADE[:1],
    State.AWAITED: (*_MADE[:1], Event.KEY_AWAITED),
    State.CALLING: _MADE[:2],
    State.REFUSED: _MADE,
    State.IN_DOUBT: (*_MADE[:2], Event.KEY_ANSWER_LOST),
    State.ABSENT: (*_MADE[:1], Event.KEY_CANCELLED),
    State.READY: _MADE,
    State.CLAIMED: (*_MADE, Event.KEY_REVEALED),
    State.HELD: (*_MADE, Event.KEY_REVEALED, Event.KEY_STORED),
    State.REVOKING: (*_MADE, Event.KEY_DELETION_STARTED),
    State.REVOKED: (*_MADE, Event.KEY_DELETION_STARTED, Event.KEY_DELETED),
}


def with_a_life(key: ApiKey) -> ApiKey:
    """Append the events that lead to the state of ``key``. They record its name and who answers for it."""
    state = State(key.state)
    for event in _LIVES[state]:
        details = key.ownership_details() if event is Event.KEY_REQUESTED else {}
        refused = state is State.REFUSED and event is Event.KEY_ISSUED
        outcome = log.Outcome.FAILED if refused else log.Outcome.DONE
        log.append(event, actor=None, key=key, outcome=outcome, reason=BEFORE_THE_TEST, **details)
    return key


def a_selection(owner: User, key: ApiKey) -> Selection:
    """Create a list of selected keys with ``key`` alone."""
    made = Selection.objects.create(user=owner, made_at=timezone.now(), count=1)
    SelectedKey.objects.create(selection=made, key=key, position=0)
    return made


def an_endless_plan(cast: Cast) -> LeaverPlan:
    """Try to create a plan to keep a key without a last day, which the database refuses."""
    return LeaverPlan.objects.create(key=a_key(cast.admin), person=cast.admin, decision="keep")


def an_inbox_item(user: User, kind: Kind = Kind.KEY_EXPIRES, words: str = "Something waits.") -> InboxItem:
    """Create a notification in the inbox of ``user`` alone, without a mail."""
    made = notify(kind, words=words, path="/keys/", to=[user], mail=False)
    assert made is not None
    return made.items.get()


def an_event(**columns: Any) -> AuditEvent:
    """Return an unsaved event with these ``columns``, for ``save`` or ``bulk_create``."""
    facts: dict[str, Any] = {
        "type": "session:start",
        "outcome": "done",
        "actor_name": "Somebody",
        "actor_id": 0,
    } | columns
    who = {name: facts.get(f"actor_{name}", "") for name in ("name", "email", "role")}
    return log.row(
        {
            "id": str(uuid.uuid4()),
            "at": utc_microseconds(facts.get("at", timezone.now())),
            "type": f"{facts['type']}:{facts['outcome']}",
            "actor": who
            | {"id": str(facts["actor_id"]), "ip": facts.get("ip", ""), "browser": facts.get("browser", "")},
            "key": {"id": str(facts["key_id"]), "name": facts.get("key_name", "")}
            if "key_id" in facts
            else None,
            "reason": facts.get("reason", ""),
            "details": facts.get("details", {}),
        }
    )


def a_damaged_record() -> Verification:
    """Create a verification with damage that nobody has explained."""
    where, now = f"event {uuid.uuid4()}", timezone.now()
    found = {"kind": "TIME", "meaning": "M", "where": where, "words": "", "times": 1}
    made = Verification.objects.create(asked_at=now, finished_at=now, asked_by="X", damage=[found])
    Verification.objects.filter(pk=made.pk).update(seal=seal_of(made))
    return made


def said_by(event: AuditEvent) -> dict[str, Any]:
    """Return the event's details with the personal values in clear."""
    return readable(event.details, event.personal)
