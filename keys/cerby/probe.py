"""Find out which data an API key can read: request one item of each published list with that key alone."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus

from keys.cerby import calls, wire
from keys.cerby.calls import Answer, Call
from keys.cerby.exchange import Exchange, Limits

LIMITS = Limits(answer=5, total=8, pauses=(0.2,))
"""A person waits for the page, and there are six calls to make."""


class Access(enum.Enum):
    """The outcome of a read. Cerby (published): 401 is an unknown, expired or deleted key, or no scope."""

    OPEN = enum.auto()
    CLOSED = enum.auto()
    UNCLEAR = enum.auto()
    """403 or 404: the key's owner may not read the list, or the workspace does not have it."""


@dataclass(frozen=True)
class Probe:
    """A list that a key may be able to read.

    ``opened_by``: each of these scopes is enough (Cerby, published), so a closed list proves that the key has
    none of them. ``perhaps_by``: other scopes that may open it; Cerby does not say.
    """

    path: str
    list_name: str
    opened_by: frozenset[str]
    perhaps_by: frozenset[str] = frozenset()


PROBES: tuple[Probe, ...] = (
    Probe(wire.USERS, "users", frozenset({"read:users"}), frozenset({"write:users"})),
    Probe(
        "/api/v1/teams",
        "teams",
        frozenset(),  # published as opened by Read users, before Read teams existed
        frozenset({"read:users", "read:teams", "write:users", "write:teams", "delete:teams"}),
    ),
    Probe(
        "/api/v1/accounts",
        "accounts",
        frozenset({"read:items", "read:items:accounts"}),
        frozenset({"write:items:accounts"}),
    ),
    Probe(
        wire.SECRETS,
        "secrets",
        frozenset({"read:items", "read:items:secrets"}),
        frozenset({"write:items:secrets"}),
    ),
    Probe(
        "/api/v1/integrations",
        "integrations",
        frozenset({"read:integrations"}),
        frozenset({"write:integrations"}),
    ),
    Probe(wire.VAULTS, "vaults", frozenset({"read:vaults"})),
)


def probe(base_url: str, secret: str, *, limits: Limits = LIMITS) -> dict[Probe, Access]:
    """Read one item of each list with ``secret``, which must be printable ASCII without spaces.

    Raises ``CerbyError`` if Cerby gives no definite answer, such as 429, 5xx or none. An incomplete result
    could let a key pass that opens more than it should.
    """
    exchange = Exchange(base_url.rstrip("/"), token="", api_key=secret, limits=limits)
    try:
        return {probed: _access(exchange, probed, secret) for probed in PROBES}
    finally:
        exchange.close()


_MEANING = {
    HTTPStatus.OK: Access.OPEN,
    HTTPStatus.UNAUTHORIZED: Access.CLOSED,
    HTTPStatus.FORBIDDEN: Access.UNCLEAR,
    HTTPStatus.NOT_FOUND: Access.UNCLEAR,
}


def _access(exchange: Exchange, probed: Probe, secret: str) -> Access:
    call = Call(
        f"read {probed.list_name} with the pasted API key",
        "GET",
        probed.path,
        query={"page[number]": "1", "page[size]": "1"},
        quotes=False,  # an error message may contain the key
    )
    outcome = exchange.carry_out(call)
    if isinstance(outcome, Answer) and outcome.status in _MEANING:
        return _MEANING[HTTPStatus(outcome.status)]
    raise calls.error(call, outcome, hide=[secret])
