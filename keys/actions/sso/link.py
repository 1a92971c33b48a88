"""Link a person with their account at the sign-in provider."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from keys.audit import log
from keys.models import SsoLink, User
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.sso import Claims


def link_person(user: User, claims: Claims, *, ip: str, browser: str) -> SsoLink:
    """Return the new link. Raises ``Conflict`` if the person or the account got another one meanwhile."""
    try:
        with transaction.atomic():
            event = log.append(
                Event.SSO_LINKED,
                actor=user.as_actor(ip=ip, browser=browser),
                person=str(user.pk),
                email=user.email,
                provider=claims.issuer,
                subject=claims.subject,
            )
            return SsoLink.objects.create(
                user=user,
                issuer=claims.issuer,
                subject=claims.subject,
                linked_at=timezone.now(),
                event_id=event.pk,
            )
    except log.NotRecorded:
        raise
    except IntegrityError as error:
        raise Conflict(
            "This account of the sign-in provider, or this person, was linked in another browser at this "
            "moment. "
            "Sign in again."
        ) from error
