"""Change a person's password, and record it."""

from __future__ import annotations

from django.db import transaction

from keys.audit import log
from keys.models import User
from keys.rules.events import Event


def change_password(user: User, new: str, *, by_link: bool, ip: str, browser: str) -> None:
    """Store ``new``, which was already validated. ``by_link``: the person used a link instead of the old one.

    All sessions of ``user`` end with the next request, because each contains a hash of the password's hash.
    """
    user.set_password(new)  # slow, so outside the transaction
    event = Event.PASSWORD_RESET if by_link else Event.PASSWORD_CHANGED
    with transaction.atomic():
        user.save(update_fields=["password"])
        log.append(event, actor=user.as_actor(ip=ip, browser=browser))
