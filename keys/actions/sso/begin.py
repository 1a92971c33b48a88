"""Note that a person goes to the sign-in provider, so that they can come back once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from keys.crypto.kept_text import lock
from keys.models import SsoLink, SsoRequest
from keys.rules.sso import issuer

LASTS = timedelta(minutes=10)
LONGEST_PATH = 4000


def begin_sign_in(browser: str, *, next_path: str, kept: str) -> str:
    """Return the state of a new sign-in in the browser that the hash ``browser`` identifies.

    ``kept`` is input to send again afterwards.
    """
    return _begin(
        SsoRequest(purpose=SsoRequest.Purpose.SIGN_IN, session=browser, next_path=next_path), kept=kept
    )


def begin_step_up(link: SsoLink, session: str, *, next_path: str, kept: str) -> str:
    """Return the state of a new step-up of a signed-in person, in the session that the hash identifies."""
    new = SsoRequest(purpose=SsoRequest.Purpose.STEP_UP, session=session, next_path=next_path)
    new.user, new.link = link.user, link
    return _begin(new, kept=kept)


def _begin(new: SsoRequest, *, kept: str) -> str:
    """Store the request instead of an earlier one of the same session, and return its state."""
    state = secrets.token_urlsafe(32)
    new.name, new.kept = name_of(state), lock(kept, state)
    new.issuer, new.started_at = issuer(), timezone.now()
    new.next_path = new.next_path if len(new.next_path) <= LONGEST_PATH else ""
    with transaction.atomic():
        SsoRequest.objects.filter(session=new.session).delete()
        new.save(force_insert=True)
    return state


def name_of(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def forget_old_requests() -> int:
    """Delete the requests that nobody came back for, and return their number."""
    return SsoRequest.objects.filter(started_at__lt=timezone.now() - LASTS).delete()[0]
