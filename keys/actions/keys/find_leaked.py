"""Search a text, such as a leak or a log, for API keys from the inventory. Nothing of the text is stored."""

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
    """Return the keys whose plain text occurs in ``text``. The event records only how many were found.

    ``actor`` is None on the command line. Raises ``TooOften`` after ten searches within a minute.
    """
    if actor is not None:
        authorize(actor, Action.FIND_KEY)
        _count_search(actor)
    candidates = key_text.candidates(text)
    found = keys_with_plain_text(candidates)
    log.append(Event.KEY_SOUGHT, actor=actor, candidates=len(candidates), hits=len(found))
    return found


def _count_search(actor: Actor) -> None:
    minute, second = divmod(int(time.time()), 60)
    cache_key = f"find:{actor.user_id}:{minute}"
    searches: int = cache.get(cache_key, 0)
    if searches >= PER_MINUTE:
        raise TooOften(
            f"You have searched {PER_MINUTE} times within a minute. Try again in {60 - second} seconds, "
            "or upload everything as one file."
        )
    cache.set(cache_key, searches + 1, timeout=120)
