"""Check the permission with a role that Cerby has just confirmed, for the actions that need one."""

from __future__ import annotations

from keys.actions.people.refresh import with_confirmed_role
from keys.audit.guard import authorize, record_refusal
from keys.models import ApiKey, User
from keys.rules.errors import CerbyError, RoleNotConfirmed
from keys.rules.permissions import Action, Actor, matrix


def authorize_now(
    actor: Actor, action: Action, key: ApiKey | None = None, person: User | None = None
) -> Actor:
    """Return ``actor`` with their present role if they may do ``action`` (to ``key`` or ``person``).

    If the rule has ``fresh_role``, Cerby must confirm the role, at most a minute ago. Raises ``NotAllowed``,
    and ``RoleNotConfirmed`` if Cerby does not answer; both are recorded. Call this outside a transaction.
    """
    if matrix(actor.management)[action].fresh_role:
        try:
            actor = with_confirmed_role(actor)
        except CerbyError as error:
            authorize(actor, action, key, person)  # a refusal by the stored role needs no confirmation
            unconfirmed = RoleNotConfirmed(_sentence(action))
            record_refusal(actor, action, key, unconfirmed.sentence)
            raise unconfirmed from error
    authorize(actor, action, key, person)
    return actor


def _sentence(action: Action) -> str:
    sentence = f"Cerby does not confirm your role at this moment. Until it does, you may not {action.words}."
    if action is Action.DELETE_KEY:
        return (
            f"{sentence} If the key must stop working now, delete it in Cerby's web app, on the page with "
            "the workspace's API keys."
        )
    return f"{sentence} Try again in a minute."
