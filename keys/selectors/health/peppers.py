"""Count the keys of each pepper, so that an operator knows when an old pepper can be removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from keys.models import LISTED, ApiKey
from keys.rules.lifecycle import Phase
from keys.selectors.counts import bounded_count, count_label


@dataclass(frozen=True)
class Pepper:
    """``keys`` and ``active`` are bounded counts, without keys that the inventory does not list.

    ``is_known``: configured. ``is_used``: for new keys.
    """

    id: str
    keys: int
    active: int
    is_known: bool
    is_used: bool

    @property
    def in_words(self) -> str:
        """The counts as ``312 active keys, 1,000+ in all``."""
        return f"{self.active_words}, {self.all_words}"

    @property
    def active_words(self) -> str:
        return f"{count_label(self.active)} active key{'' if self.active == 1 else 's'}"

    @property
    def all_words(self) -> str:
        return f"{count_label(self.keys)} in all"

    @property
    def may_go(self) -> bool:
        return self.is_known and not self.is_used and self.active == 0


def peppers() -> list[Pepper]:
    """Return the configured peppers in their order, then other peppers that keys have fingerprints with.

    The last configured one is used for new fingerprints. Each takes one query and two bounded counts.
    """
    known = list(settings.PORTAL_PEPPERS)
    return [_counted(id_, known) for id_ in [*known, *(id_ for id_ in _in_use() if id_ not in known)]]


def _in_use() -> Iterator[str]:
    """Yield the ids of the peppers of all keys. Each query skips to the next id in the index."""
    printed = ApiKey.objects.filter(fingerprint__isnull=False).order_by("pepper_id")
    latest = printed.values_list("pepper_id", flat=True).first()
    while latest is not None:
        yield latest
        following = printed.filter(pepper_id__gt=latest)
        latest = following.values_list("pepper_id", flat=True).first()


def _counted(id_: str, known: list[str]) -> Pepper:
    keys = ApiKey.objects.filter(LISTED, fingerprint__isnull=False, pepper_id=id_).order_by()
    active = keys.filter(phase=Phase.LIVE, expires_at__gt=timezone.now())
    return Pepper(
        id=id_,
        keys=bounded_count(keys),
        active=bounded_count(active),
        is_known=id_ in known,
        is_used=id_ == known[-1],
    )
