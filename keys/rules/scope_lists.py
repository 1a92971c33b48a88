"""Shorten the scopes of an event: its leaf has no room for hundreds of them.

Of a list that takes more than ``ROOM``, an event has the first scopes and, as its last item, the number of
the others and a digest of all, such as ``and 950 more (sha256:…)``. So a row can still be compared with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

ROOM = 1800
"""Bytes of JSON for one list. An event has at most two, and up to 4 KiB of other values."""
_REST = re.compile(r"and (\d+) more \(sha256:([0-9a-f]{64})\)")


def with_room(details: dict[str, Any]) -> dict[str, Any]:
    """Return the ``details`` of an event with its long lists of scopes shortened."""
    if isinstance(details.get("scopes"), list):
        details = {**details, "scopes": _cut(details["scopes"])}
    before, after = details.get("before"), details.get("after")
    if isinstance(before, list) and isinstance(after, list):
        before, after = _cut_both(before, after)
    elif isinstance(before, dict) and isinstance(after, dict) and isinstance(after.get("scopes"), list):
        if isinstance(before.get("scopes"), list):
            old, new = _cut_both(before["scopes"], after["scopes"])
            before, after = {**before, "scopes": old}, {**after, "scopes": new}
        else:
            after = {**after, "scopes": _cut(after["scopes"])}
    else:
        return details
    return {**details, "before": before, "after": after}


def is_rest(text: str) -> bool:
    """Return whether ``text`` stands for further scopes in an event."""
    return _REST.fullmatch(text) is not None


def rest_in_words(text: str) -> str:
    """Return ``text`` without the digest, if it stands for further scopes."""
    found = _REST.fullmatch(text)
    return f"and {int(found[1]):,} more" if found else text


def is_cut(logged: Iterable[str]) -> bool:
    return any(is_rest(scope) for scope in logged)


def are_same(logged: Collection[str], scopes: Iterable[str]) -> bool:
    """Return whether ``logged``, from an event, and the complete ``scopes`` are the same set."""
    digests = [found[2] for scope in logged if (found := _REST.fullmatch(scope))]
    return digests == [_digest(scopes)] if digests else set(logged) == set(scopes)


def _cut(scopes: list[str]) -> list[str]:
    return _cut_both(scopes, scopes)[0]


def _cut_both(before: list[str], after: list[str]) -> tuple[list[str], list[str]]:
    """Shorten both lists, so that a comparison of the two still shows what differs."""
    if _fits(before) and _fits(after):
        return before, after
    both = set(before) & set(after)
    common = list(_first([scope for scope in before if scope in both], ROOM // 2))
    return _shortened(before, both, common), _shortened(after, both, common)


def _shortened(scopes: list[str], both: set[str], common: list[str]) -> list[str]:
    kept = [*common, *_first([scope for scope in scopes if scope not in both], ROOM // 2)]
    return [*kept, f"and {len(scopes) - len(kept)} more (sha256:{_digest(scopes)})"]


def _fits(scopes: list[str]) -> bool:
    return not is_cut(scopes) and sum(map(_size, scopes)) <= ROOM


def _first(scopes: Iterable[str], room: int) -> Iterator[str]:
    """Yield the first scopes for which there is room. One that looks like the rest of a list is left out."""
    for scope in scopes:
        room -= _size(scope)
        if room < 0:
            return
        if not is_rest(scope):
            yield scope


def _size(scope: str) -> int:
    return len(json.dumps(scope, ensure_ascii=False).encode()) + 1


def _digest(scopes: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(set(scopes))).encode()).hexdigest()
