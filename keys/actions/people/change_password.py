"""Change a person's password, and record it."""

from __future__ import annotations

from django.db import transaction

from keys.audit import log
from keys.crypto.password_hash import digest_of_hash
from keys.models import User
from keys.rules.errors import Conflict
from keys.rules.events import Event


def change_password(user: User, new: str, *, by_link: bool, ip: str, browser: str) -> None:
    """Store ``new``, which was already validated. ``by_link``: the person used a link instead of the old one.

    All sessions of ``user`` end with the next request, because each contains a hash of the password's hash.
    Raises ``Conflict`` if another request changed the password after ``user`` was read: it may have been the
    person's own, because somebody else knows the old password or the link.
    """
    checked = user.password
    user.set_password(new)  # slow, so outside the transaction
    event = Event.PASSWORD_RESET if by_link else Event.PASSWORD_CHANGED
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, password=checked).update(password=user.password) != 1:
            raise Conflict(
                "Your password was changed in another browser at this moment, so it was not set here."
            )
        digest = digest_of_hash(user.password)
        log.append(event, actor=user.as_actor(ip=ip, browser=browser), password_digest=digest)
