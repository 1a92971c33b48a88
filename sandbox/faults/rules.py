"""The rules that decide which fault happens to which requests, how often and with which seed."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.faults.catalogue import CATALOGUE
from sandbox.faults.incident import Fault, Incident, RoutePattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.faults.gate import Gate
    from sandbox.messages import Request
    from sandbox.workspace import Workspace

ANY = "any"
"""Instead of a fault's name: draw a fault for each request from those that match it and suit a demo."""

_REFUSE = "refuse-connections"
_FIELDS = frozenset({"route", "fault", "rate", "count", "after", "seed"})
_OPTION_TYPES = {"seconds": (int, float), "size": int, "committed": bool, "target": str}


@dataclass
class Rule:
    """One rule.

    ``rate`` is the probability, 0..1. The first ``after`` matching requests are left alone. ``count`` limits
    how often the fault happens. The n-th matching request's fate depends only on ``seed`` and n.
    """

    route: RoutePattern
    fault: str
    rate: float
    count: int | None
    after: int
    seed: int
    options: Mapping[str, Any]
    seen: int = 0
    fired: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Rule:
        """Read a rule as written in JSON. Raises ValueError with a sentence about the problem."""
        name = given.get("fault")
        if name != ANY and name not in CATALOGUE:
            raise ValueError(f"There is no fault {name!r}. GET /faults/catalogue lists them.")
        options = {key: value for key, value in given.items() if key not in _FIELDS}
        _check_options(options, frozenset() if name == ANY else frozenset(CATALOGUE[name].options))
        rule = cls(
            route=RoutePattern(_read(given, "route", "*", str)),
            fault=name,
            rate=_read(given, "rate", 1.0, (int, float)),
            count=_read(given, "count", None, int),
            after=_read(given, "after", 0, int),
            seed=_read(given, "seed", secrets.randbelow(2**32), int),
            options=options,
        )
        if not 0 <= rule.rate <= 1:
            raise ValueError("A rate is a number from 0 to 1.")
        if rule.after < 0 or (rule.count is not None and rule.count < 0):
            raise ValueError("'count' and 'after' are not negative.")
        if name == _REFUSE and (
            rule.route.text != "*" or rule.rate < 1 or rule.count is not None or rule.after
        ):
            raise ValueError(f"{_REFUSE} is for the route * alone, without rate, count and after.")
        return rule

    def draw(self, request: Request) -> tuple[Fault, Mapping[str, Any], Random] | None:
        """Return the fault for this request with its options and random numbers, or None."""
        if not self.route.matches(request) or (self.count is not None and self.fired.total() >= self.count):
            return None
        faults = [fault for fault in self._faults() if fault.matches(request)]
        if not faults:
            return None
        self.seen += 1
        numbers = Random(f"{self.seed}:{self.seen}")  # noqa: S311  must be repeatable
        if self.seen <= self.after or numbers.random() >= self.rate:
            return None
        fault = numbers.choice(faults)
        self.fired[fault.name] += 1
        chaos_options = fault.chaos or {} if self.fault == ANY else {}
        return fault, {**fault.options, **chaos_options, **self.options}, numbers

    def report(self) -> dict[str, Any]:
        """Return the rule as JSON, with ``seen`` (matching requests) and ``fired`` (count by fault)."""
        return {
            "route": self.route.text,
            "fault": self.fault,
            "rate": self.rate,
            "count": self.count,
            "after": self.after,
            "seed": self.seed,
            **self.options,
            "seen": self.seen,
            "fired": dict(self.fired),
        }

    def _faults(self) -> Iterable[Fault]:
        if self.fault == ANY:
            return [fault for fault in CATALOGUE.values() if fault.chaos is not None]
        return [CATALOGUE[self.fault]]


class Faults:
    """The rules of one sandbox. Safe to use from any thread."""

    def __init__(self, workspace: Workspace, gate: Gate) -> None:
        self._workspace = workspace
        self._gate = gate
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def set(self, rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Replace all rules and return them with their seeds. The first rule that fires for a request counts.

        A rule: ``{"route": "POST /api/v1/api-keys", "fault": "reset-after-commit", "rate": 0.5, "count": 3,
        "after": 0, "seed": 7}`` plus the fault's own options; only ``fault`` is required.
        Raises ValueError if a rule is invalid, and keeps the earlier rules.
        """
        new_rules = [Rule.of(given) for given in rules]
        refusing = [rule for rule in new_rules if rule.fault == _REFUSE]
        with self._lock:
            if refusing:
                self._gate.shut()
                refusing[0].fired[_REFUSE] = 1
            else:
                self._gate.open()
            self._rules = new_rules
            return [rule.report() for rule in new_rules]

    def clear(self) -> None:
        """Remove all rules."""
        self.set([])

    def rules(self) -> list[dict[str, Any]]:
        """Return ``Rule.report`` of every rule."""
        with self._lock:
            return [rule.report() for rule in self._rules]

    def fired(self) -> dict[str, int]:
        """Return how often each fault has fired since the rules were set."""
        with self._lock:
            return dict(sum((rule.fired for rule in self._rules), Counter()))

    def draw(self, request: Request) -> Incident | None:
        """Return the incident for this request, or None. The API has no HEAD, so no fault happens to it."""
        if request.method == "HEAD":
            return None
        with self._lock:
            for rule in self._rules:
                drawn = rule.draw(request)
                if drawn is not None:
                    fault, options, numbers = drawn
                    now = self._workspace.clock()
                    return Incident(fault, options, numbers, request, self._workspace, self._gate, now)
        return None


def _read(given: Mapping[str, Any], name: str, default: Any, kind: Any) -> Any:
    """Return the value or its default. Raises ValueError if the value has another type."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name!r} cannot be {value!r}.")
    return value


def _check_options(options: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in options:
        if name not in known:
            raise ValueError(
                f"This fault has no option {name!r}; it has {', '.join(sorted(known)) or 'none'}."
            )
        _read(options, name, None, _OPTION_TYPES[name])
