"""Every fault of the sandbox's catalogue as a rule that happens once, quickly, to one request of a run."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sandbox.faults.catalogue import CATALOGUE

PATIENCE = 0.3
"""How long, in seconds, whoever asks waits under a fault that keeps silent."""

HANGS = {"hang-after-commit", "hang-uncommitted", "slow-bytes"}
CARRIED_OUT = {"reset-after-commit", "hang-after-commit", "500-committed"}
"""As another fault, but that the request was carried out."""

QUICK: dict[str, dict[str, Any]] = {
    "go-down": {"seconds": 0.02},
    "huge-body": {"size": 5_300_000},  # more than the client reads
    "commit-late": {"seconds": 5},
}
ALSO: dict[str, list[dict[str, Any]]] = {"clock-off": [{"seconds": -600.0}]}
"""Second ways in which a fault happens, besides being committed all the same."""

ALWAYS = "refuse-connections"
"""Cannot happen to one request: the port is closed while the job runs, and open again for the recovery."""

Rule = dict[str, Any]

Request = tuple[str, str]
"""Method and path."""

OF_THE_RECOVERY: list[Request] = [
    (method, path) for path in ("/api/v1/api-keys", "/api/v1/api-keys/id") for method in ("GET", "DELETE")
]
"""What the worker asks of Cerby: it makes nothing there. The walk holds it to that."""


def every_rule() -> list[Rule]:
    """In the catalogue's order; without a route, which the fault's own requests make."""
    rules: list[Rule] = []
    for name, fault in CATALOGUE.items():
        rules.append({"fault": name, **QUICK.get(name, {})})
        rules += [{"fault": name, **other} for other in ALSO.get(name, [])]
        if "committed" in fault.options:
            rules.append({"fault": name, "committed": True})
    return rules


def name_of(rule: Rule) -> str:
    """A word for the command line, such as ``500-committed`` or ``502-html,committed=True``."""
    told = {key: value for key, value in rule.items() if key in {"committed", "seconds"}}
    told = {key: value for key, value in told.items() if QUICK.get(rule["fault"], {}).get(key) != value}
    return ",".join([rule["fault"], *(f"{key}={value}" for key, value in told.items())])


RULES = {name_of(rule): rule for rule in every_rule()}


def happening_to(rule: Rule, nth: int) -> list[Rule]:
    """The rule for the sandbox: it happens to the ``nth`` request, from 0, of those that it fits."""
    if rule["fault"] == ALWAYS:
        return [rule]
    return [{**rule, "after": nth, "count": 1, "seed": 7}]


@dataclass(frozen=True)
class Place:
    """Where a rule happens: to the ``nth`` request, from 0, of those that it fits, which is the job's request
    number ``request``, from 0; None where it is not the job's.
    """

    nth: int
    request: int | None


def places(rule: Rule, requests: list[Request]) -> list[Place]:
    """Where it can happen to a job that makes these ``requests``.

    Where none of them fits, it may still happen to the recovery. A read that was answered badly is the same
    whether or not it was carried out, so that it is walked once.
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
