"""Search a text, such as a leak or a log, for API keys from the inventory. Nothing of the text is stored."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Self

from django.views.decorators.debug import sensitive_variables

from keys.audit import log
from keys.audit.guard import authorize
from keys.models import ApiKey, Throttle
from keys.models.throttle import throttle_name
from keys.rules import key_text
from keys.rules.errors import Busy, TooOften
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.key.by_plain_text import keys_with_plain_text

PER_MINUTE = 10
FEW = 5_000
"""A text with fewer candidates never waits: it takes less than a second."""
AT_ONCE, WAITING_AT_ONCE = 2, 4
"""Searches of longer texts in this process. Each occupies a thread of the web server."""
PATIENCE = 20
"""Seconds."""
BUSY = "The portal is searching other large files at this moment. Try again in a minute."
REMEMBERED = 20_000
"""Candidates that are not looked up again if they recur. They take at most a few megabytes of memory."""

_turns = threading.BoundedSemaphore(AT_ONCE)
_waiting = threading.BoundedSemaphore(WAITING_AT_ONCE)


@sensitive_variables()
def find_leaked(actor: Actor | None, *texts: Iterable[str]) -> list[ApiKey]:
    """Return the keys whose plain text occurs in ``texts``, each of which is a sequence of chunks.

    Reads one chunk at a time. The event records only the numbers of candidates and of found keys. ``actor``
    is None on the command line. Raises ``TooOften`` after ten searches within a minute, and ``Busy`` if too
    many long texts are being searched.
    """
    if actor is not None:
        authorize(actor, Action.FIND_KEY)
        _count_search(actor)
    with _Search() as search:
        found = keys_with_plain_text(search.of(texts))
    log.append(Event.KEY_SOUGHT, actor=actor, candidates=search.count, hits=len(found))
    return found


class _Search:
    """Yield candidates, and wait for a turn if there are many. ``count``: how many there were so far."""

    def __init__(self) -> None:
        self.count = 0
        self._has_turn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._has_turn:
            _turns.release()

    @sensitive_variables()
    def of(self, texts: Iterable[Iterable[str]]) -> Iterator[str]:
        """Yield the candidates in ``texts``, without those that were yielded lately. Raises ``Busy``."""
        lately: set[str] = set()
        for candidate in chain.from_iterable(map(key_text.candidates_in, texts)):
            if candidate in lately:
                continue
            if len(lately) >= REMEMBERED:
                lately.clear()
            lately.add(candidate)
            self.count += 1
            if self.count == FEW:
                self._wait_for_turn()
            yield candidate

    def _wait_for_turn(self) -> None:
        if not _waiting.acquire(blocking=False):
            raise Busy(BUSY)
        try:
            self._has_turn = _turns.acquire(timeout=PATIENCE)
        finally:
            _waiting.release()
        if not self._has_turn:
            raise Busy(BUSY)


def _count_search(actor: Actor) -> None:
    wait = Throttle.objects.use(throttle_name("find", str(actor.user_id)), PER_MINUTE, 60)
    if wait:
        raise TooOften(
            f"You have searched {PER_MINUTE} times within a minute. Try again in {math.ceil(wait)} seconds, "
            "or upload everything as one file."
        )
