"""Accept the pasted plain text of a requested key: prove it and store its fingerprint."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.keys.prove import prove
from keys.actions.people.confirm_role import authorize_now
from keys.actions.transition import transition
from keys.audit.guard import authorize
from keys.cerby.scope_check import ScopeCheck
from keys.models import ApiKey
from keys.rules.errors import Conflict, Invalid
from keys.rules.events import Event
from keys.rules.lifecycle import State, Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.by_plain_text import has_plain_text
from keys.selectors.key.page import key_for


@sensitive_variables()
def paste_key(actor: Actor, key_id: UUID, secret: str, *, accept_less: bool = False) -> ScopeCheck | None:
    """Record ``secret`` as the key that was requested as ``key_id``, and return the proved scopes.

    Return None if the same key was already pasted, for example by a double click. Raises ``Conflict`` if
    the request is no longer open, and ``Invalid`` if ``prove`` refuses the key.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    actor = authorize_now(actor, Action.GENERATE_KEY, key)
    if has_plain_text(key, secret.strip()):
        return None
    _check_is_awaited(key)
    proved = prove(actor, secret, key.scopes, accept_less=accept_less)
    verdict = proved.verdict
    try:
        with transaction.atomic():
            transition(
                key,
                Transition.PASTE,
                Event.KEY_PASTED,
                actor,
                changes=proved.columns,
                scopes=verdict.granted,
                not_granted=verdict.missing,
                not_checkable=verdict.unchecked,
                last_four=proved.columns["last_four"],
                fingerprint_digest=proved.digest_for_log,
            )
    except IntegrityError as taken:
        raise Conflict("Another person has just added this key to the inventory.") from taken
    return verdict


def _check_is_awaited(key: ApiKey) -> None:
    if key.state != State.AWAITED:
        raise Conflict("This request no longer waits for a key. Reload the page to see its state.")
    if key.expires_at <= timezone.now():
        raise Invalid(
            api_key="The requested expiration time has passed. Delete this request and start again."
        )
