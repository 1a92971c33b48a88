"""A fault, and one request that it happens to."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.messages import Request, Response

if TYPE_CHECKING:
    from sandbox.faults.gate import Gate
    from sandbox.faults.replies import Reply
    from sandbox.workspace import Workspace

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "*"})


@dataclass(frozen=True)
class RoutePattern:
    """Which requests: ``POST /api/v1/api-keys``, ``* /api/v1/api-keys/*`` or ``*`` for all.

    In a path, ``*`` stands for one segment.
    """

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for what is no route."""
        method, _, path = self.text.partition(" ")
        if self.text != "*" and (method not in _METHODS or not path.startswith("/")):
            raise ValueError(f"{self.text!r} is no route. Write one like 'POST /api/v1/api-keys', or '*'.")

    def fits(self, request: Request) -> bool:
        if self.text == "*":
            return True
        method, _, path = self.text.partition(" ")
        pattern = re.escape(path).replace(r"\*", "[^/]+")
        return method in {"*", request.method} and re.fullmatch(pattern, request.path) is not None


class Work(enum.Enum):
    """What becomes of the request itself, whatever is answered."""

    DONE = "carried out"
    UNDONE = "understood, but nothing of it is kept"
    UNREAD = "not even read"
    LATE = "carried out later"


@dataclass(frozen=True)
class Fault:
    """``options`` are those that a rule may set, with their defaults.

    ``only_success``: what the workspace refuses is refused as ever.
    ``chaos``: the options that keep a demo usable, or None where the fault has no place in one.
    """

    name: str
    about: str
    respond: Callable[[Incident], Reply]
    work: Work = Work.DONE
    on: tuple[RoutePattern, ...] = (RoutePattern("*"),)
    prepare: Callable[[Incident], None] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    only_success: bool = False
    chaos: Mapping[str, Any] | None = field(default_factory=dict)

    def fits(self, request: Request) -> bool:
        return any(route.fits(request) for route in self.on)


@dataclass
class Incident:
    """``random`` is drawn from for this request alone; ``now`` is the sandbox's time, which a fault may turn.

    ``honest`` is the answer that the workspace gave, once it has been asked.
    """

    fault: Fault
    options: Mapping[str, Any]
    random: Random
    request: Request
    workspace: Workspace
    gate: Gate
    now: datetime
    honest: Response | None = None

    @property
    def answer(self) -> Response:
        if self.honest is None:
            raise RuntimeError("The workspace has not been asked.")
        return self.honest

    @property
    def seconds(self) -> float:
        return float(self.options["seconds"])

    @property
    def work(self) -> Work:
        if "committed" in self.options:
            return Work.DONE if self.options["committed"] else Work.UNDONE
        return self.fault.work
