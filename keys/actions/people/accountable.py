"""Find the people who answer for a key, and return the columns that store them. Cerby is asked if needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keys import cerby
from keys.actions.people.refresh import create_unknown_users
from keys.models import ApiKey, User
from keys.rules.errors import CerbyError, Invalid
from keys.rules.folded_text import fold
from keys.validation.ownership import Ownership, check_ownership


def ownership_columns(
    ownership: Ownership, *, default: User | None, present: Mapping[str, User] | None = None
) -> dict[str, Any]:
    """Return the columns of ``ApiKey``. ``default`` is accountable if the form names nobody.

    ``present``: the people whom the key has already, by email. They may stay although they have left.

    Raises ``Invalid``, and ``CerbyError`` if Cerby must be asked and does not answer. Call this outside a
    transaction.
    """
    check_ownership(ownership)
    present = present or {}
    accountable, backup = default, None
    if ownership.accountable:
        accountable = present.get(ownership.accountable) or active_person(
            ownership.accountable, "accountable"
        )
    if ownership.backup:
        backup = present.get(ownership.backup) or active_person(ownership.backup, "backup")
    if backup is not None and backup == accountable:
        raise Invalid(backup="The backup is the accountable person already. Enter another person.")
    return {
        **ApiKey.accountable_columns(accountable),
        "backup_id": backup.pk if backup else None,
        "team": ownership.team,
        "team_order": fold(ownership.team),
        "system": ownership.system,
        "system_order": fold(ownership.system),
        "kind": ownership.kind,
        "environment": ownership.environment,
        "review_on": ownership.review_on,
        "tags": list(ownership.tags),
    }


def active_person(email: str, field: str) -> User:
    """Return the person with ``email``, whom the portal or Cerby knows and who has not left.

    Raises ``Invalid`` for ``field``, or ``CerbyError`` if Cerby must be asked and does not answer.
    """
    person = known_person(email)
    if person is None:
        raise Invalid(
            **{
                field: f"Cerby knows nobody with the email {email}. "
                "Enter the email of an active member of the workspace."
            }
        )
    if person.left_at is not None:
        raise Invalid(
            **{
                field: f"{email} is disabled in Cerby or has left. "
                "Enter the email of an active member of the workspace."
            }
        )
    return person


def known_person(email: str) -> User | None:
    """Return the person with ``email``, if the portal or Cerby knows one. Raises ``CerbyError``.

    If they have left, Cerby may know a successor with the same email.
    """
    known = User.objects.filter(email=email).first()
    if known is not None and known.left_at is None:
        return known
    try:
        person = cerby.connect().person_by_email(email)
    except CerbyError:
        if known is None:
            raise
        return known
    if person is None:
        return known
    create_unknown_users([person])
    return User.objects.get(cerby_id=person.id)
