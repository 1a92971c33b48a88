"""Generate a key: record the request, call Cerby once without a retry, and seal the answer."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils import timezone

from keys import cerby
from keys.actions.keys.record_request import record_request
from keys.actions.keys.revoke import revoke_key
from keys.actions.people.accountable import ownership_columns
from keys.actions.people.confirm_role import authorize_now
from keys.actions.safeguards.pause import begin_pause, check_pause
from keys.actions.transition import transition
from keys.audit import log
from keys.crypto import fingerprint, seal
from keys.models import ApiKey, RevealGrant, User
from keys.rules.errors import (
    CerbyError,
    CerbyInDoubt,
    CerbyKeyWithoutSecret,
    CerbyNeverReached,
    CerbyRefused,
    CerbyTooMany,
)
from keys.rules.events import Event
from keys.rules.lifecycle import LEASE, NEVER_CALLED_AFTER, REVEAL_WITHIN, Transition
from keys.rules.permissions import Action, Actor
from keys.rules.scopes import in_order
from keys.validation.new_key import KeyRequest


def issue_key(actor: Actor, request: KeyRequest) -> UUID:
    """Generate the key that ``request`` describes, owned by ``actor``, and return its id.

    The plain text leaves this function only sealed to ``request.tab_key``. A repeated request with the
    same id, such as a double click, returns the same key without a second call. If Cerby's answer is
    lost, the key stays "Pending" and nothing is raised, because Cerby may have created the key.

    Raises ``NotAllowed``, ``Invalid``, ``CerbyRefused`` or ``CerbyNeverReached`` if no key was created,
    and ``CerbyPaused``, with nothing recorded, during a pause that Cerby asked for. Nothing is recorded
    either if too many calls wait for Cerby's answers already.
    """
    actor = authorize_now(actor, Action.GENERATE_APPROVED if request.under else Action.GENERATE_KEY)
    if not ApiKey.objects.filter(pk=request.id).exists():  # a repeated request must not fail on a pause
        check_pause()
        cerby.connect().check_can_issue()
    ownership = ownership_columns(request.ownership, default=User.objects.get(pk=actor.user_id))
    key, is_new = record_request(actor, request, due_at=timezone.now() + NEVER_CALLED_AFTER, **ownership)
    if is_new:
        _Issuing(key, actor, request.tab_key).run()
    return key.id


@dataclass(frozen=True)
class _Issuing:
    """One attempt to generate ``key``. While ``lease`` is on the key, no other process may change it."""

    key: ApiKey
    actor: Actor
    tab_key: bytes
    lease: UUID = field(default_factory=uuid.uuid4)

    def run(self) -> None:
        self._take_lease()
        try:
            issued = self._call_cerby()
        except (CerbyNeverReached, CerbyRefused) as refusal:
            self._end(
                Transition.REFUSE,
                Event.KEY_ISSUED,
                changes={"failure": refusal.sentence[:500]},
                outcome=log.Outcome.FAILED,
                reason=refusal.sentence,
            )
            raise
        except CerbyKeyWithoutSecret as loss:
            cerby_id = UUID(loss.upstream_id)
            self._end(
                Transition.LOSE_SECRET,
                Event.KEY_ANSWER_LOST,
                changes={"cerby_id": cerby_id},
                cerby_id=str(cerby_id),
            )
            with suppress(CerbyError):  # revoke_key has recorded it; the reconciler tries again
                revoke_key(self.key, self.actor)
        except CerbyInDoubt as doubt:
            self._end(Transition.LOSE_ANSWER, Event.KEY_ANSWER_LOST, reason=doubt.sentence)
        else:
            self._store(issued)

    def _take_lease(self) -> None:
        changes = {"lease": self.lease, "lease_until": timezone.now() + LEASE}
        transition(self.key, Transition.CALL, Event.KEY_CALLED, self.actor, changes=changes)

    def _call_cerby(self) -> cerby.IssuedKey:
        """Send the one POST, unless Cerby has asked for a pause in the meantime. A 429 starts a pause."""
        check_pause()
        try:
            return cerby.connect().issue_key(
                name=self.key.name,
                scopes=self.key.scopes,
                expires_at=self.key.expires_at,
                owner_id=self.actor.cerby_id,
                external_id=self.key.id,
            )
        except CerbyTooMany as too_many:
            raise begin_pause(too_many.retry_after) from too_many

    def _store(self, issued: cerby.IssuedKey) -> None:
        """Store the key's details and the grant for its one view, in one transaction.

        Of the plain text, only the sealed bytes, the fingerprint and the last four characters are stored.
        """
        grant = self._seal(issued)
        made = fingerprint.compute(issued.secret, peppers=settings.PORTAL_PEPPERS)
        columns = {
            "cerby_id": issued.id,
            "confirmed_at": timezone.now(),
            "scopes": in_order(issued.scopes),
            "created_at": issued.created_at,
            "expires_at": issued.expires_at,
            "pepper_id": made.pepper_id,
            "fingerprint": made.digest,
            "last_four": fingerprint.last_four(issued.secret),
        }
        details = {
            "cerby_id": str(issued.id),
            "scopes": columns["scopes"],
            "created_at": issued.created_at.isoformat(),
            "expires_at": issued.expires_at.isoformat(),
            "last_four": columns["last_four"],
            "fingerprint_digest": fingerprint.digest_for_log(made),
        }
        try:
            with transaction.atomic():
                self._end(Transition.ANSWER, Event.KEY_ISSUED, changes=columns, **details)
                grant.save(force_insert=True)
        except (IntegrityError, DataError):
            # For example, Cerby's answer contains the id of another key. Ids are unique in the database.
            reason = "Cerby's answer contradicts the portal's data, so it was not stored."
            self._end(Transition.LOSE_ANSWER, Event.KEY_ANSWER_LOST, reason=reason)

    def _seal(self, issued: cerby.IssuedKey) -> RevealGrant:
        thumbprint = seal.thumbprint(self.tab_key)
        info = seal.reveal_info(
            workspace=settings.CERBY_WORKSPACE,
            key_id=self.key.id,
            user_id=self.actor.user_id,
            thumbprint=thumbprint,
        )
        return RevealGrant(
            key=self.key,
            user_id=self.actor.user_id,
            sealed=seal.seal(issued.secret, tab_key=self.tab_key, info=info),
            thumbprint=thumbprint,
            expires_at=timezone.now() + REVEAL_WITHIN,
        )

    def _end(self, step: Transition, event: Event, **more: Any) -> None:
        """Take ``step`` only if this process still holds its lease."""
        transition(self.key, step, event, self.actor, holding=self.lease, **more)
