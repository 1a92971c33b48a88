"""The types of fault injection: a fault, and an incident, which is one request that a fault affects."""

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
    """A pattern for requests: ``POST /api/v1/api-keys``, ``* /api/v1/api-keys/*`` or ``*`` for all.

    In a path, ``*`` stands for one segment.
    """

    text: str

    def __post_init__(self) -> None:
        """Raise ValueError if the text is not a valid pattern."""
        method, _, path = self.text.partition(" ")
        if self.text != "*" and (method not in _METHODS or not path.startswith("/")):
            raise ValueError(f"{self.text!r} is not a route. Write one like 'POST /api/v1/api-keys', or '*'.")

    def matches(self, request: Request) -> bool:
        if self.text == "*":
            return True
        method, _, path = self.text.partition(" ")
        pattern = re.escape(path).replace(r"\*", "[^/]+")
        return method in {"*", request.method} and re.fullmatch(pattern, request.path) is not None


class Work(enum.Enum):
    """Whether and when the request is carried out, independently of the reply."""

    DONE = "carried out"
    UNDONE = "carried out, then rolled back"
    UNREAD = "not read"
    LATE = "carried out later"


@dataclass(frozen=True)
class Fault:
    """One way to misbehave.

    ``options`` are the options that a rule may set, with their defaults.
    ``only_success``: if the workspace refuses the request, send its honest refusal instead.
    ``chaos``: options that keep a demo usable, or None if the fault must not happen in a demo.
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

    def matches(self, request: Request) -> bool:
        return any(route.matches(request) for route in self.on)


@dataclass
class Incident:
    """One request that a fault affects.

    ``random`` serves this request only. ``now`` is the sandbox's time, which a fault may shift. ``honest`` is
    the workspace's answer, or None before the request is carried out.
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
            raise RuntimeError("The request has not been carried out yet.")
        return self.honest

    @property
    def seconds(self) -> float:
        return float(self.options["seconds"])

    @property
    def work(self) -> Work:
        if "committed" in self.options:
            return Work.DONE if self.options["committed"] else Work.UNDONE
        return self.fault.work
