"""Search a text, such as a leak or a log, for API keys from the inventory. Nothing of the text is stored."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self
from uuid import UUID

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.notifications.notify import notify
from keys.audit import log
from keys.audit.guard import authorize
from keys.evidence.logged_facts import has_other_fingerprint
from keys.evidence.logged_keys import logged_keys
from keys.models import ApiKey, Throttle, User
from keys.models.throttle import throttle_name
from keys.rules.batches import batches
from keys.rules.errors import Busy, TooOften
from keys.rules.events import Event
from keys.rules.key_text import Lately
from keys.rules.leak_search import LeakSearch, Unread
from keys.rules.notifications import Kind
from keys.rules.permissions import HIGHEST, Action, Actor
from keys.rules.visible import named
from keys.selectors.key.by_plain_text import keys_with_plain_text

PER_MINUTE = 10
FEW = 5_000
"""A text with fewer candidates never waits: it takes less than a second."""
AT_ONCE, WAITING_AT_ONCE = 2, 4
"""Searches of longer texts in this process. Each occupies a thread of the web server."""
PATIENCE = 20
"""Seconds."""
BUSY = "The portal is searching other large files at this moment. Try again in a minute."

MOST_TOLD = 100
"""Found keys about which people are told. The finder sees all of them."""
AT_A_TIME = 500
"""Found keys whose events are read with one query."""

_turns = threading.BoundedSemaphore(AT_ONCE)
_waiting = threading.BoundedSemaphore(WAITING_AT_ONCE)


@dataclass(frozen=True)
class Found:
    """``unread`` lists what could not be searched, at most 20 parts; ``more_unread`` counts the others.

    ``unproved``: the ids of those ``keys`` whose events do not confirm that the fingerprint is theirs.
    """

    keys: list[ApiKey]
    unproved: frozenset[UUID]
    unread: list[Unread]
    more_unread: int


@sensitive_variables()
def find_leaked(actor: Actor | None, *, text: str = "", file: Any = None) -> Found:
    """Find the keys whose plain text occurs in ``text`` or in ``file``, which is open and can ``seek``.

    The event records only the numbers of candidates and of found keys. ``actor`` is None on the command line.
    Raises ``TooOften`` after ten searches within a minute, and ``Busy`` if too many long texts are being
    searched.
    """
    if actor is not None:
        authorize(actor, Action.FIND_KEY)
        _count_search(actor)
    with _Turn() as turn:
        search = LeakSearch(before_long=turn.wait)
        counted = _Counted(chain(search.in_text(text), search.in_file(file) if file else ()), turn)
        keys = keys_with_plain_text(counted)
    with transaction.atomic():
        counts: dict[str, Any] = {"candidates": counted.count, "hits": len(keys)}
        if told := _tell(actor, keys):
            counts["notifications"] = told
        log.append(Event.KEY_SOUGHT, actor=actor, **counts)
    return Found(keys, _unproved(keys), search.unread, search.more_unread)


def _tell(actor: Actor | None, keys: list[ApiKey]) -> list[str]:
    """Tell the people of each key, and the Owner and the Super Admins, once a day for each finder.

    Return the ids of the notifications, which the event records, so that nobody can delete one unnoticed.
    """
    highest = User.objects.filter(is_active=True, role__in=HIGHEST) if keys else ()
    finder = actor.name if actor else "The person who runs the portal"
    made = [
        notify(
            Kind.KEY_LEAKED,
            words=f"{finder} found the API key “{named(key.name)}” in a text. It may have leaked.",
            text="If the text was public, delete the key at once, and replace it.",
            path=reverse("keys:key", args=[key.pk]),
            to=[key.owner, key.accountable, key.backup, *highest],
            key=key,
            once=f"leak:{key.pk}:{actor.user_id if actor else 0}:{timezone.now():%Y-%m-%d}",
        )
        for key in keys[:MOST_TOLD]
    ]
    return [str(one.uid) for one in made if one is not None]


def _unproved(keys: list[ApiKey]) -> frozenset[UUID]:
    """Return the keys without a beginning in the log, or with another fingerprint there: a row may be forged.

    Events that are older than the digest of the fingerprint do not contradict it.
    """
    return frozenset(
        key.pk
        for batch in batches(keys, AT_A_TIME)
        for logged in [logged_keys([key.pk for key in batch])]
        for key in batch
        if not logged[key.pk].has_beginning or has_other_fingerprint(key, logged[key.pk])
    )


class _Counted:
    """Yield candidates, without those that were yielded lately. A search of many of them waits for a turn."""

    def __init__(self, candidates: Iterable[str], turn: _Turn) -> None:
        self.count = 0
        self._candidates, self._turn = candidates, turn

    @sensitive_variables()
    def __iter__(self) -> Iterator[str]:
        lately = Lately()
        for candidate in self._candidates:
            if lately.is_new(candidate):
                self.count += 1
                if self.count == FEW:
                    self._turn.wait()
                yield candidate


class _Turn:
    """The right to a long search, which few have at the same time."""

    def __init__(self) -> None:
        self._is_mine = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_mine:
            _turns.release()

    def wait(self) -> None:
        """Wait for a turn, unless this search has one. Raises ``Busy``."""
        if self._is_mine:
            return
        if not _waiting.acquire(blocking=False):
            raise Busy(BUSY)
        try:
            self._is_mine = _turns.acquire(timeout=PATIENCE)
        finally:
            _waiting.release()
        if not self._is_mine:
            raise Busy(BUSY)


def _count_search(actor: Actor) -> None:
    wait = Throttle.objects.use(throttle_name("find", str(actor.user_id)), PER_MINUTE, 60)
    if wait:
        raise TooOften(
            f"You have searched {PER_MINUTE} times within a minute. Try again in {math.ceil(wait)} seconds, "
            "or upload everything as one file."
        )
