"""How damage is called, so that an explanation means just what was found, and not what shows up later."""

from __future__ import annotations


def name_of(kind: str, where: str, times: int) -> str:
    """Such as "ROOT at events 6 to 10" or "TIME at event 7, 3 times". Once more is another name."""
    return f"{kind} at {where}" + (f", {times:,} times" if times > 1 else "")
