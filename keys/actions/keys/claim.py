"""Hand out the one view of a new key. A conditional UPDATE decides which request gets it."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from keys.actions.transition import transition
from keys.audit.guard import authorize
from keys.audit.refusals import Refusal, record_or_count
from keys.models import ApiKey, RevealGrant
from keys.rules.errors import Conflict, Gone
from keys.rules.events import ASKED_ELSEWHERE, Event
from keys.rules.lifecycle import Transition
from keys.rules.permissions import Action, Actor
from keys.selectors.key.page import key_for

GrantState = RevealGrant.GrantState

logger = structlog.get_logger(__name__)


def claim_key(actor: Actor, key_id: UUID, *, session: str) -> bytes:
    """Return the sealed bytes of ``key_id``, once. ``session`` is a hash that identifies the browser session.

    Raises ``NotFound``, ``NotAllowed``, and ``Gone`` if the key was already viewed or the time is up.
    """
    key = key_for(actor, key_id)
    authorize(actor, Action.REVEAL_KEY, key)
    grant = RevealGrant.objects.filter(key=key).first()
    sealed = grant.sealed if grant else None
    if grant is None or sealed is None or not _take(actor, key, grant, session):
        raise _refusal(actor, key, session)
    return bytes(sealed)


def _take(actor: Actor, key: ApiKey, grant: RevealGrant, session: str) -> bool:
    """Change the grant from READY to CLAIMED. Return False if another request was faster.

    Updates the key's row before the grant's row, in the same order as a deletion, to avoid a deadlock.
    """
    now = timezone.now()
    ready = RevealGrant.objects.filter(pk=grant.pk, state=GrantState.READY, expires_at__gt=now)
    with suppress(Conflict), transaction.atomic():
        transition(key, Transition.CLAIM, Event.KEY_REVEALED, actor, thumbprint=grant.thumbprint)
        taken = ready.update(
            state=GrantState.CLAIMED,
            sealed=None,
            claimed_at=now,
            claimed_ip=actor.ip,
            claimed_browser=actor.browser,
            claimed_session=session,
        )
        transaction.set_rollback(taken != 1)
        return taken == 1
    return False


def _refusal(actor: Actor, key: ApiKey, session: str) -> Gone:
    """Record the refused attempt and return the error. Log a warning if it came from another session."""
    grant = RevealGrant.objects.filter(key=key).first()
    if grant is None or grant.state == GrantState.GONE:
        sentence = "This key can no longer be viewed."
    elif grant.state == GrantState.READY:
        sentence = "The time to view this key is over. Delete it and generate a new one."
    else:
        sentence = (
            "This key has already been viewed; a key can be viewed once. If it was not you, delete it now."
        )
    elsewhere = grant is not None and grant.claimed_session not in {"", session}
    if elsewhere:
        logger.warning("second_view_from_another_session", key_id=str(key.id), user_id=actor.user_id)
    reason = f"{sentence} {ASKED_ELSEWHERE}" if elsewhere else sentence
    record_or_count(Refusal(Event.KEY_REVEALED, actor, reason, key, of=f"{key.pk} {elsewhere}"))
    return Gone(sentence)
