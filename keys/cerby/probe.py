"""Find out which data an API key can read: request one item of each published list with that key alone."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus

from keys.cerby import calls, values, wire
from keys.cerby.calls import Answer, Call
from keys.cerby.client import checked_base_url
from keys.cerby.exchange import Exchange, Limits
from keys.cerby.values import WireError

LIMITS = Limits(answer=5, total=8, pauses=(0.2,))
"""A person waits for the page, and there are six calls to make."""


class Access(enum.Enum):
    """The outcome of a read (Cerby, published)."""

    OPEN = enum.auto()
    """200 with a list in the published shape. Nothing else counts as access."""
    CLOSED = enum.auto()
    """401: the key is unknown, expired or deleted, or lacks the scope."""
    FORBIDDEN = enum.auto()
    """403 in the published shape: Cerby knows the key, but its owner may not read the list."""
    ABSENT = enum.auto()
    """404: Cerby has no such list, or does not admit it."""


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


def probe(base_url: str, secret: str, *, limits: Limits = LIMITS, ca_file: str = "") -> dict[Probe, Access]:
    """Read one item of each list with ``secret``, which must be printable ASCII without spaces.

    Raises ``CerbyError`` if Cerby gives no definite answer, such as 429, 5xx, a page in HTML or none. An
    incomplete result could let a key pass that opens more than it should.
    """
    base_url = checked_base_url(base_url)
    exchange = Exchange(base_url, token="", api_key=secret, limits=limits, ca_file=ca_file)
    try:
        return {probed: _access(exchange, probed, secret) for probed in PROBES}
    finally:
        exchange.close()


_MEANING = {
    HTTPStatus.UNAUTHORIZED: Access.CLOSED,
    HTTPStatus.FORBIDDEN: Access.FORBIDDEN,
    HTTPStatus.NOT_FOUND: Access.ABSENT,
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
    if isinstance(outcome, Answer):
        if calls.is_web_page(outcome):
            raise calls.web_page(call, outcome.status)
        if outcome.status == HTTPStatus.OK:
            flaw = _flaw(outcome)
            if not flaw:
                return Access.OPEN
            raise calls.in_doubt(call, flaw)
        if outcome.status == HTTPStatus.FORBIDDEN and not wire.problem(outcome.body)[0]:
            # A 403 shows that Cerby knows the key, but a firewall answers 403, too.
            raise calls.in_doubt(call, "its status 403 does not have Cerby's published shape")
        if outcome.status in _MEANING:
            return _MEANING[HTTPStatus(outcome.status)]
    raise calls.error(call, outcome, hide=[secret])


def _flaw(answer: Answer) -> str:
    """Return why a 200 is not a list in the published shape, or ""."""
    if answer.flaw:
        return answer.flaw
    if answer.media_type != "application/json":
        return "its answer is not JSON"
    try:
        wire.page(values.document(answer.body), _resource)
    except WireError as error:
        return f"its answer does not have the published shape ({error})"
    return ""


def _resource(value: object) -> None:
    fields = values.at("a resource", values.obj, value)
    values.at("id", values.uuid, fields.get("id"))
    values.at("type", values.text, fields.get("type"))
