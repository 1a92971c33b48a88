"""Add an existing key to the inventory, either proved with its plain text or declared without it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.keys.prove import Proved, prove
from keys.actions.people.accountable import known_person, ownership_columns
from keys.actions.people.confirm_role import authorize_now
from keys.actions.reviews.void import follow_certificate
from keys.audit import log
from keys.models import ApiKey, Throttle, User
from keys.models.policy import policy_in_force
from keys.models.throttle import throttle_name
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.permissions import Action, Actor
from keys.rules.scopes import in_order
from keys.selectors.policy.enforce import check_entered
from keys.validation import existing_key
from keys.validation.agents import check_agent
from keys.validation.existing_key import Registration

Origin = ApiKey.Origin
ROWS_AT_ONCE = 100


@sensitive_variables()
def register_key(
    actor: Actor, registration: Registration, *, secret: str = "", accept_less: bool = False
) -> ApiKey:
    """Add the key that ``registration`` describes. If ``secret`` is given, prove it against Cerby first.

    If the inventory already has a declared or discovered key with this name and owner and without a
    fingerprint, complete that row instead of adding a second one. For ``accept_less`` and the errors about
    ``secret``, see ``prove``.
    """
    actor = authorize_now(actor, Action.REGISTER_KEY)
    existing_key.check_registration(registration, timezone.now())
    check_agent(registration.ownership, registration.expires_at, timezone.now(), field="expires_date")
    owner = _owner(registration.owner_email)
    has_accountable = bool(registration.ownership.accountable) or owner.left_at is None
    policy = policy_in_force()
    check_entered(registration, owner.role, policy, timezone.now(), has_accountable=has_accountable)
    if not secret:
        return _declare(actor, registration, owner)
    ownership = _ownership(registration, owner)
    proved = prove(actor, secret, in_order(registration.scopes), accept_less=accept_less)
    try:
        with transaction.atomic():
            wait_for_other_declarations()
            return _keep_proved(actor, registration, owner, ownership, proved)
    except IntegrityError as taken:
        raise Conflict("Another person has just added this key to the inventory.") from taken


def _declare(actor: Actor, registration: Registration, owner: User) -> ApiKey:
    ownership = _ownership(registration, owner)
    try:
        with transaction.atomic():
            wait_for_other_declarations()
            _check_is_new(registration)
            return add_key(actor, registration, owner, ownership)
    except IntegrityError as error:
        if not existing_key.is_taken(error):
            raise
        _check_is_new(registration)
        raise Conflict("The inventory has just changed. Try again.") from error


def _owner(email: str) -> User:
    known = known_person(email)
    if known is None:
        raise Invalid(owner=f"Cerby knows nobody with the email {email}. Check the spelling.")
    return known


def _ownership(registration: Registration, owner: User) -> dict[str, Any]:
    """Return the columns that say who answers for the key: its owner, unless another person is named."""
    return ownership_columns(registration.ownership, default=_if_here(owner))


def _if_here(owner: User) -> User | None:
    return owner if owner.left_at is None else None


def wait_for_other_declarations() -> None:
    """Wait until no other process declares keys, and lock them out until the transaction ends."""
    Throttle.objects.locked(throttle_name("declare"))


def _check_is_new(registration: Registration) -> None:
    existing_key.refuse_copy(
        existing_key.same_key(registration),
        "If this is that key, paste its value as well, so that the portal can check it.",
    )


@sensitive_variables()
def _keep_proved(
    actor: Actor, registration: Registration, owner: User, ownership: dict[str, Any], proved: Proved
) -> ApiKey:
    same = existing_key.same_key(registration)
    valueless = [
        key for key in same if key.fingerprint is None and key.origin in {Origin.DECLARED, Origin.DISCOVERED}
    ]
    if len(valueless) != 1:
        return add_key(actor, registration, owner, ownership, proved, holds_name=not same)
    [key] = valueless
    return _complete(actor, registration, key, ownership, proved)


def add_key(
    actor: Actor,
    registration: Registration,
    owner: User,
    ownership: dict[str, Any] | None = None,
    proved: Proved | None = None,
    *,
    holds_name: bool = True,
) -> ApiKey:
    """Add a row and its event. The caller has checked the permission.

    Without ``ownership``, the owner answers for the key, unless they have left. ``holds_name``: the inventory
    has no other key in use with this name and owner; raise ``IntegrityError`` if somebody has just added one.
    """
    key = unsaved_key(registration, owner, ownership, proved)
    key.holds_name = 1 if holds_name else None
    with transaction.atomic():
        key.save(force_insert=True)
        _record(actor, key, proved)
    return key


def add_keys(actor: Actor, keys: list[ApiKey]) -> None:
    """Add declared keys and their events in few statements, as ``add_key`` does one by one."""
    with transaction.atomic():
        ApiKey.objects.bulk_create(keys, batch_size=ROWS_AT_ONCE)
        for key in keys:
            _record(actor, key, None)


def unsaved_key(
    registration: Registration,
    owner: User,
    ownership: dict[str, Any] | None = None,
    proved: Proved | None = None,
    imported_in: UUID | None = None,
) -> ApiKey:
    """Return the row for ``add_key``. ``imported_in``: the id of the import."""
    return ApiKey(
        origin=Origin.REGISTERED if proved else Origin.DECLARED,
        name=registration.name,
        purpose=registration.purpose,
        owner=owner,
        owner_left_at=owner.left_at,
        state=State.HELD,
        created_at=registration.created_at or timezone.now(),
        created_known=registration.created_at is not None,
        holds_name=1,
        expires_at=registration.expires_at,
        imported_in=imported_in,
        note=registration.note,
        **ApiKey.owner_columns(owner),
        **(ownership or ApiKey.accountable_columns(_if_here(owner))),
        **(proved.columns if proved else {"scopes": in_order(registration.scopes)}),
    )


def _complete(
    actor: Actor, registration: Registration, key: ApiKey, ownership: dict[str, Any], proved: Proved
) -> ApiKey:
    """Add the fingerprint to ``key``. Scopes and expiry of a discovered key stay as Cerby listed them.

    Of ``ownership``, the values that the form leaves empty stay as they are in the row.
    """
    columns: dict[str, Any] = dict(proved.columns)
    columns |= {"origin": Origin.REGISTERED, "purpose": registration.purpose, "version": key.version + 1}
    columns |= {name: value for name, value in ownership.items() if value and not name.startswith("account")}
    if registration.ownership.accountable or key.accountable_id is None:
        columns |= {name: value for name, value in ownership.items() if name.startswith("account")}
    if key.origin == Origin.DISCOVERED:
        del columns["scopes"]
    else:
        columns |= {"expires_at": registration.expires_at}
    rows = ApiKey.objects.filter(pk=key.pk, state=key.state, version=key.version, fingerprint__isnull=True)
    with transaction.atomic():
        if rows.update(**columns) != 1:
            raise Conflict("This key has just been changed. Reload the page and try again.")
        for name, value in columns.items():
            setattr(key, name, value)
        _record(actor, key, proved)
        follow_certificate(key.pk, actor)
    return key


def _record(actor: Actor, key: ApiKey, proved: Proved | None) -> None:
    proof: dict[str, Any] = {"import": str(key.imported_in)} if key.imported_in else {}
    if key.note:
        proof["note"] = key.note
    if proved:
        proof |= {
            "not_granted": proved.verdict.missing,
            "not_checkable": proved.verdict.unchecked,
        }
    log.append(
        Event.KEY_REGISTERED,
        actor=actor,
        key=key,
        origin=ApiKey.Origin(key.origin).label,
        owner=key.owner_email,
        owner_id=str(key.owner_id),
        scopes=key.scopes,
        created_at=key.created_at.isoformat(),
        created_known=key.created_known,
        expires_at=key.expires_at.isoformat(),
        purpose=key.purpose,
        last_four=key.last_four,
        fingerprint_digest=proved.digest_for_log if proved else "",
        **key.ownership_details(),
        **proof,
    )
