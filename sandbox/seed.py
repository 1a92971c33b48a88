"""Fill an empty sandbox with the demo workspace."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox import api_keys, auth, people, records, stored_secrets
from sandbox.demo import ACCOUNTS, JOBS, KEYS, OTHER_VAULTS, PEOPLE, RECORDS, SECRETS, VAULTS, DemoPerson
from sandbox.moments import optional_stamp, stamp
from sandbox.vocabulary import WORKSPACE_ID

if TYPE_CHECKING:
    import sqlite3

    from sandbox.app import Sandbox

DOMAIN = "contenzilla.example"
OWNER = f"owner@{DOMAIN}"

_LONG_LIFETIME = 5  # days
_WORKSPACE_AGE = timedelta(days=1500)
_LATELY = timedelta(days=2)
_FIRST_HOUR, _WORKING_HOURS = timedelta(hours=8), 9
"""In UTC."""
_FRIDAY = 4


def seed_demo(sandbox: Sandbox, *, vaults: int = 2) -> None:
    """Add the demo data in one transaction. Do nothing if the workspace has people.

    The same clock and ``vaults`` (1 or 2) give the same records, because ids come from names and times from
    the clock. Only the keys differ, and their plain texts are discarded.
    """
    now = sandbox.clock()
    with sandbox.store.transaction() as db:
        if db.execute("SELECT 1 FROM people").fetchone():
            return
        _add_people(db, now)
        _add_keys(db, now)
        _add_records(db, now, vaults)


def _add_people(db: sqlite3.Connection, now: datetime) -> None:
    for person in PEOPLE:
        people.add(
            db,
            person_id=_id("person", person.name),
            email=f"{person.name}@{DOMAIN}",
            first_name=person.first_name,
            last_name=person.last_name,
            role=person.role,
            status=person.status,
            created_at=stamp(now - timedelta(days=person.joined)),
            last_activity=optional_stamp(_before(now, person.last_active)),
            mfa_enrolled_at=optional_stamp(_before(now, _mfa_enrolled(person))),
        )


def _add_keys(db: sqlite3.Connection, now: datetime) -> None:
    for number, key in enumerate(KEYS):
        asked_at = now - timedelta(days=key.age)
        if key.lifetime >= _LONG_LIFETIME and not key.batch:
            asked_at -= timedelta(seconds=number * 7919 % 36_000)  # vary the time of day
        created_at = at_work(asked_at, now)
        moved = created_at - asked_at if key.lifetime < _LONG_LIFETIME else timedelta()
        used_at, removed_at = _before(now, key.last_used), _before(now, key.removed)
        api_keys.add(
            db,
            key_id=_id("key", key.name),
            owner_id=_id("person", key.owner),
            name=key.name,
            scopes=key.scopes,
            created_at=stamp(created_at),
            expires_at=stamp(asked_at + timedelta(days=key.lifetime) + moved),
            last_used_at=optional_stamp(used_at and used_at + moved),
            removed_at=optional_stamp(removed_at and at_work(removed_at, now, later=True)),
            external_id=_id("external", key.name) if key.known else None,
        )


def _add_records(db: sqlite3.Connection, now: datetime, vaults: int) -> None:
    records_of_demo = _records(now, vaults)
    for number, (type_name, name, attributes) in enumerate(records_of_demo):
        records.add(
            db,
            type_name,
            attributes,
            record_id=_id(type_name, name),
            created_at=stamp(now - _WORKSPACE_AGE + timedelta(days=number)),
        )
    for number, (title, owner) in enumerate(SECRETS):
        stored_secrets.add(
            db,
            secret_id=_id("secret", title),
            title=title,
            category="text",
            body=auth.new_key(),
            vault_id=_id("vault", VAULTS[0]),
            created_at=stamp(now - timedelta(days=300 - number)),
            created_by=_id("person", owner),
        )


def _records(now: datetime, vaults: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return type, name and attributes of each record."""
    found: list[tuple[str, dict[str, Any]]] = [("vault", {"name": name}) for name in VAULTS[:vaults]]
    found += [("vault", dict(attributes)) for attributes in OTHER_VAULTS]
    applications = {}
    for account in ACCOUNTS:
        applications[account.label] = account.application
        attributes = {
            "name": account.label,
            "application": account.application,
            "status": account.status,
            "createdBy": _id("person", account.owner),
            "lastLoginDate": optional_stamp(_before(now, account.last_login)),
        }
        found.append(("account", attributes))
    found += [(type_name, _with_ids(attributes)) for type_name, attributes in RECORDS]
    named = [(type_name, str(attributes["name"]), attributes) for type_name, attributes in found]
    for job in JOBS:
        account_of_job = {
            "id": _id("account", job.account),
            "name": job.account,
            "provider": applications[job.account],
        }
        details = {"account": account_of_job, "workflowType": job.workflow_type, "status": job.status}
        named.append(("job", f"{job.workflow_type}:{job.account}", details))
    return named


def _with_ids(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes with the ids of the people whom they name."""
    ids: dict[str, Any] = {}
    if "createdBy" in attributes:
        ids["createdBy"] = _id("person", attributes["createdBy"])
    if "members" in attributes:
        ids["members"] = [_id("person", name) for name in attributes["members"]]
    return attributes | ids


def _id(kind: str, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(WORKSPACE_ID), f"{kind}:{name}"))


def _mfa_enrolled(person: DemoPerson) -> float | None:
    """Return how many days ago the person enrolled in MFA: a third of their time here, guests never."""
    return None if person.status == "pending" or "guest" in person.role else person.joined / 3


def _before(now: datetime, days: float | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def at_work(moment: datetime, now: datetime, *, later: bool = False) -> datetime:
    """Return a working hour of the same day, or of the weekday before it (``later``: after it).

    Order is kept within a day. What happened in the last two days stays as it is, because it must.
    """
    if now - moment < _LATELY:
        return moment
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    moved = midnight + _FIRST_HOUR + (moment - midnight) * _WORKING_HOURS / 24
    weekend = moved.weekday() - _FRIDAY
    if weekend <= 0:
        return moved
    return moved + timedelta(days=3 - weekend if later else -weekend)
