"""Turn every fault of the sandbox's catalogue into a rule that happens once, quickly, to one request."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sandbox.faults.catalogue import CATALOGUE

PATIENCE = 0.3
"""The network time-out, in seconds, under a fault that sends no answer."""

HANGS = {"hang-after-commit", "hang-uncommitted", "slow-bytes"}
CARRIED_OUT = {"reset-after-commit", "hang-after-commit", "500-committed"}
"""Faults that differ from another fault only in that Cerby carries the request out."""

QUICK: dict[str, dict[str, Any]] = {
    "go-down": {"seconds": 0.02},
    "huge-body": {"size": 5_300_000},  # more than the client reads
    "commit-late": {"seconds": 5},
}
ALSO: dict[str, list[dict[str, Any]]] = {"clock-off": [{"seconds": -600.0}]}
"""Further variants of a fault, besides the one with ``committed``."""

ALWAYS = "refuse-connections"
"""Affects all requests: the port is closed during the job and open again for the recovery."""

Rule = dict[str, Any]

Request = tuple[str, str]
"""Method and path."""

OF_THE_RECOVERY: list[Request] = [
    (method, path) for path in ("/api/v1/api-keys", "/api/v1/api-keys/id") for method in ("GET", "DELETE")
]
"""The worker's requests to Cerby, none of which creates anything. The walk checks this."""


def every_rule() -> list[Rule]:
    """Return all rules in the catalogue's order. None has a route, because each fault fits certain requests."""
    rules: list[Rule] = []
    for name, fault in CATALOGUE.items():
        rules.append({"fault": name, **QUICK.get(name, {})})
        rules += [{"fault": name, **other} for other in ALSO.get(name, [])]
        if "committed" in fault.options:
            rules.append({"fault": name, "committed": True})
    return rules


def name_of(rule: Rule) -> str:
    """Return the rule's name for the command line, such as ``500-committed`` or ``502-html,committed=True``."""
    options = {key: value for key, value in rule.items() if key in {"committed", "seconds"}}
    options = {key: value for key, value in options.items() if QUICK.get(rule["fault"], {}).get(key) != value}
    return ",".join([rule["fault"], *(f"{key}={value}" for key, value in options.items())])


RULES = {name_of(rule): rule for rule in every_rule()}


def happening_to(rule: Rule, nth: int) -> list[Rule]:
    """Return the rule for the sandbox that affects the ``nth`` matching request, counted from 0."""
    if rule["fault"] == ALWAYS:
        return [rule]
    return [{**rule, "after": nth, "count": 1, "seed": 7}]


@dataclass(frozen=True)
class Place:
    """The ``nth`` request that a rule fits, counted from 0.

    ``request`` is its number among all requests of the job, or None if it belongs to the recovery.
    """

    nth: int
    request: int | None


def places(rule: Rule, requests: list[Request]) -> list[Place]:
    """Return the places at which ``rule`` can affect a job with these ``requests``.

    If it fits none of them, it may still affect the recovery. For a read, it makes no difference whether
    Cerby carries it out, so such a pair is walked once.
    """
    if rule["fault"] == ALWAYS:
        return [Place(0, None)]
    fitting = [number for number, one in enumerate(requests) if _fits(rule, one)]
    if not fitting:
        return [Place(0, None)] if any(_fits(rule, one) for one in OF_THE_RECOVERY) else []
    tells_writes_apart = rule["fault"] in CARRIED_OUT or "committed" in rule
    found = (Place(nth, number) for nth, number in enumerate(fitting))
    return [place for place in found if requests[place.request][0] != "GET" or not tells_writes_apart]


def _fits(rule: Rule, request: Request) -> bool:
    seen: Any = SimpleNamespace(method=request[0], path=request[1])
    return CATALOGUE[rule["fault"]].matches(seen)
