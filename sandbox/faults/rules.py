"""The switches: which fault happens to which requests, how often, and by which seed."""

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
"""In the place of a fault's name: one is drawn for each request, of those that fit and suit a demo."""

_REFUSE = "refuse-connections"
_FIELDS = frozenset({"route", "fault", "rate", "count", "after", "seed"})
_KINDS = {"seconds": (int, float), "size": int, "committed": bool, "target": str}


@dataclass
class Rule:
    """One switch. ``rate`` is 0..1; ``after`` leaves so many fitting requests alone; ``count`` limits how
    often it happens. What happens to the n-th fitting request depends on ``seed`` and n alone.
    """

    route: RoutePattern
    fault: str
    rate: float
    count: int | None
    after: int
    seed: int
    options: Mapping[str, Any]
    seen: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Rule:
        """Read a rule as it is written in JSON. Raises ValueError with a sentence on what is wrong."""
        name = given.get("fault")
        if name != ANY and name not in CATALOGUE:
            raise ValueError(f"There is no fault {name!r}. GET /faults/catalogue lists them.")
        options = {key: value for key, value in given.items() if key not in _FIELDS}
        _check_options(options, frozenset() if name == ANY else frozenset(CATALOGUE[name].options))
        rule = cls(
            route=RoutePattern(_checked(given, "route", "*", str)),
            fault=name,
            rate=_checked(given, "rate", 1.0, (int, float)),
            count=_checked(given, "count", None, int),
            after=_checked(given, "after", 0, int),
            seed=_checked(given, "seed", secrets.randbelow(2**32), int),
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
        """What happens to this request, with the options and the numbers to draw from; None for nothing."""
        if not self.route.fits(request) or (self.count is not None and self.happened.total() >= self.count):
            return None
        faults = [fault for fault in self._faults() if fault.fits(request)]
        if not faults:
            return None
        self.seen += 1
        numbers = Random(f"{self.seed}:{self.seen}")  # noqa: S311  it is to be repeatable
        if self.seen <= self.after or numbers.random() >= self.rate:
            return None
        fault = numbers.choice(faults)
        self.happened[fault.name] += 1
        gentle = fault.chaos or {} if self.fault == ANY else {}
        return fault, {**fault.options, **gentle, **self.options}, numbers

    def report(self) -> dict[str, Any]:
        """The rule as it can be given again, with ``seen`` (fitting requests) and ``fired`` (name: times)."""
        return {
            "route": self.route.text,
            "fault": self.fault,
            "rate": self.rate,
            "count": self.count,
            "after": self.after,
            "seed": self.seed,
            **self.options,
            "seen": self.seen,
            "fired": dict(self.happened),
        }

    def _faults(self) -> Iterable[Fault]:
        if self.fault == ANY:
            return [fault for fault in CATALOGUE.values() if fault.chaos is not None]
        return [CATALOGUE[self.fault]]


class Faults:
    """The switches of one sandbox. Safe to use from any thread."""

    def __init__(self, workspace: Workspace, gate: Gate) -> None:
        self._workspace = workspace
        self._gate = gate
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def set(self, rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Replace all rules; the first that happens to a request counts. Returns them with their seeds.

        A rule: ``{"route": "POST /api/v1/api-keys", "fault": "reset-after-commit", "rate": 0.5, "count": 3,
        "after": 0, "seed": 7}`` and the fault's own options; all but ``fault`` may be left out.
        Raises ValueError for a rule that is not right; the rules before stay then.
        """
        read = [Rule.of(given) for given in rules]
        refusing = [rule for rule in read if rule.fault == _REFUSE]
        with self._lock:
            if refusing:
                self._gate.shut()
                refusing[0].happened[_REFUSE] = 1
            else:
                self._gate.open()
            self._rules = read
            return [rule.report() for rule in read]

    def clear(self) -> None:
        """Behave."""
        self.set([])

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, as ``Rule.report`` gives it."""
        with self._lock:
            return [rule.report() for rule in self._rules]

    def fired(self) -> dict[str, int]:
        """How often each fault has happened since the rules were set."""
        with self._lock:
            return dict(sum((rule.happened for rule in self._rules), Counter()))

    def draw(self, request: Request) -> Incident | None:
        """What happens to this request; nothing to HEAD, which the API does not have."""
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


def _checked(given: Mapping[str, Any], name: str, default: Any, kind: Any) -> Any:
    """The value or its default. Raises ValueError for a value of another kind."""
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
        _checked(options, name, None, _KINDS[name])
