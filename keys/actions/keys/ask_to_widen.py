"""Ask other people for their approval of one more scope for a live key."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from keys.actions.keys.rescope import changed, check_active
from keys.actions.people.confirm_role import authorize_now
from keys.actions.requests.open import check_break_glass, open_request
from keys.models import AccessRequest
from keys.rules.errors import Conflict
from keys.rules.permissions import Action, Actor, Role
from keys.rules.requests import RequestKind
from keys.rules.scopes import in_order, widens
from keys.selectors.key.page import key_for
from keys.selectors.policy.enforce import check_widening
from keys.selectors.requests.needs import approvals_to_widen
from keys.selectors.requests.widening import waiting_to_widen
from keys.validation import new_key


def request_widening(
    actor: Actor, key_id: UUID, scope: str, *, reason: str, ticket: str = ""
) -> AccessRequest:
    """Ask for the approval of ``scope`` for the key. With ``ticket``, go on without it.

    The key is not changed yet. Raises ``NotAllowed``, ``Invalid`` if an entry breaks a rule,
    ``OutsidePolicy``, and ``Conflict`` if the key is not active, has the scope, or waits for it already.
    """
    key = key_for(actor, key_id)
    actor = authorize_now(actor, Action.WIDEN_KEY, key)
    if ticket:
        actor = authorize_now(actor, Action.BREAK_GLASS)
        check_break_glass(actor, ticket, None)
    new_key.check_scopes([scope])
    now = timezone.now()
    check_active(key, now)
    after = changed(key, scope, on=True)
    if not widens(key.scopes, after):
        raise Conflict("The key can do this already. Reload its page.")
    check_widening(key, after, now, urgent=bool(ticket))
    if not ticket and waiting_to_widen(key.pk, scope) is not None:
        raise Conflict("This scope waits for approval already. The page Requests shows it.")
    act = {
        "kind": RequestKind.WIDEN.value,
        "key": str(key.pk),
        "name": key.name,
        "person": key.owner_id,
        "scope": scope,
        "scopes": in_order(key.scopes),
    }
    return open_request(
        actor,
        RequestKind.WIDEN,
        act,
        reason=reason,
        needed=max(1, approvals_to_widen(key, after)),
        ticket=ticket,
        subject=key.pk,
        least_role=Role(key.owner.role),
    )
