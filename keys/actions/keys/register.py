"""Bring a key that exists already into the inventory: proved with its value, or declared without it."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys import cerby
from keys.actions.keys.prove import Proved, prove
from keys.actions.people.refresh import remember
from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey, User
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.rules.policy import Action, Actor
from keys.rules.scopes import in_order
from keys.validation import existing_key
from keys.validation.existing_key import Registration

Origin = ApiKey.Origin


@sensitive_variables()
def register_key(actor: Actor, what: Registration, *, secret: str = "", accept_less: bool = False) -> ApiKey:
    """Add the key that ``what`` describes; with ``secret``, its plain text, proved against Cerby first.

    A key that the inventory has without its value, declared or discovered, under the same name and
    owner gets the fingerprint, instead of a second row. Raises ``NotAllowed``, ``Invalid`` (see ``prove``
    for ``secret`` and ``accept_less``) and ``CerbyError``.
    """
    authorize(actor, Action.REGISTER_KEY)
    existing_key.check_registration(what, timezone.now())
    owner = _owner(what.owner_email)
    if not secret:
        _check_is_new(what)
        return add(actor, what, owner)
    proved = prove(actor, secret, in_order(what.scopes), accept_less=accept_less)
    try:
        return _keep_proved(actor, what, owner, proved)
    except IntegrityError as taken:
        raise Conflict("This key has just been added to the inventory by somebody else.") from taken


def _owner(email: str) -> User:
    known = User.objects.filter(email=email).first()
    if known is not None:
        return known
    person = cerby.connect().person_by_email(email)
    if person is None:
        raise Invalid(owner=f"Cerby knows nobody with the e-mail {email}. Check the spelling.")
    remember([person])
    return User.objects.get(cerby_id=person.id)


def _check_is_new(what: Registration) -> None:
    for key in existing_key.same_key(what):
        raise Invalid(
            name=f"The inventory has a key called “{key.name}” of this owner already. "
            "To prove it, paste its value as well."
        )


@sensitive_variables()
def _keep_proved(actor: Actor, what: Registration, owner: User, proved: Proved) -> ApiKey:
    valueless = [
        key
        for key in existing_key.same_key(what)
        if key.fingerprint is None and key.origin in {Origin.DECLARED, Origin.DISCOVERED}
    ]
    if len(valueless) != 1:
        return add(actor, what, owner, proved)
    [key] = valueless
    return _complete(actor, what, key, proved)


def add(actor: Actor, what: Registration, owner: User, proved: Proved | None = None) -> ApiKey:
    """A new row and its event, in the caller's transaction. Whoever calls it has asked the policy."""
    now = timezone.now()
    with transaction.atomic():
        key = ApiKey(
            origin=Origin.REGISTERED if proved else Origin.DECLARED,
            name=what.name,
            purpose=what.purpose,
            owner=owner,
            owner_left_at=owner.left_at,
            state=State.HELD,
            created_at=what.created_at or now,
            expires_at=what.expires_at,
            **ApiKey.owner_columns(owner),
            **(proved.columns if proved else {"scopes": in_order(what.scopes)}),
        )
        key.save(force_insert=True)
        _record(actor, key, proved)
    return key


def _complete(actor: Actor, what: Registration, key: ApiKey, proved: Proved) -> ApiKey:
    """Give a row without a value its fingerprint. What Cerby itself has said of the key stays as it is."""
    told_by_cerby = key.origin == Origin.DISCOVERED
    columns: dict[str, Any] = dict(proved.columns)
    columns |= {"origin": Origin.REGISTERED, "purpose": what.purpose}
    if told_by_cerby:
        del columns["scopes"]
    else:
        columns |= {"expires_at": what.expires_at}
    rows = ApiKey.objects.filter(pk=key.pk, state=key.state, fingerprint__isnull=True)
    with transaction.atomic():
        if rows.update(**columns) != 1:
            raise Conflict("Somebody or something else has just changed this key. Look at it again.")
        for name, value in columns.items():
            setattr(key, name, value)
        _record(actor, key, proved)
    return key


def _record(actor: Actor, key: ApiKey, proved: Proved | None) -> None:
    proof: dict[str, Any] = {}
    if proved:
        proof = {
            "not_granted": proved.verdict.missing,
            "not_checkable": proved.verdict.unchecked,
            "last_four": key.last_four,
        }
    log.append(
        Event.KEY_REGISTERED,
        actor=actor,
        key=key,
        origin=ApiKey.Origin(key.origin).label,
        owner=key.owner_email,
        scopes=key.scopes,
        expires_at=key.expires_at.isoformat(),
        purpose=key.purpose,
        **proof,
    )
