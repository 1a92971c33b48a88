"""Is this ours? Look a suspicious text over for the organisation's keys, and keep nothing of it."""

from __future__ import annotations

import time

from django.core.cache import cache
from django.views.decorators.debug import sensitive_variables

from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey
from keys.rules import key_text
from keys.rules.errors import TooOften
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.key.by_plain_text import keys_with_plain_text

PER_MINUTE = 10


@sensitive_variables()
def find_leaked(actor: Actor | None, text: str) -> list[ApiKey]:
    """The keys whose plain text stands somewhere in ``text``. Recorded by numbers alone.

    ``actor`` is None for an operator, from the command line. Raises ``NotAllowed``, and ``TooOften`` after
    ten times within a minute.
    """
    if actor is not None:
        authorize(actor, Action.FIND_KEY)
        _count(actor)
    candidates = key_text.candidates(text)
    found = keys_with_plain_text(candidates)
    log.append(Event.KEY_SOUGHT, actor=actor, candidates=len(candidates), hits=len(found))
    return found


def _count(actor: Actor) -> None:
    minute, second = divmod(int(time.time()), 60)
    counter = f"find:{actor.user_id}:{minute}"
    so_far: int = cache.get(counter, 0)
    if so_far >= PER_MINUTE:
        raise TooOften(
            f"You have looked {PER_MINUTE} times within a minute. Go on in {60 - second} seconds, "
            "or upload everything as one file."
        )
    cache.set(counter, so_far + 1, timeout=120)
