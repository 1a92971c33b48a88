"""The lists of one person's teams, secrets, accounts and collections.

Cerby's changelog names these lists. Their paths and attributes are ours: Cerby publishes none.
"""

from __future__ import annotations

from sandbox import people, records, stored_secrets
from sandbox.listing import Listing, list_response
from sandbox.messages import Call, Handler, Json, Response
from sandbox.problems import not_found


def list_endpoint(kind: str) -> Handler:
    """Return the endpoint ``GET /users/{id}/<kind>``: the items that the person owns, or their teams."""

    def handle(call: Call) -> Response:
        if people.find(call.db, call.target) is None:
            raise not_found()
        return list_response(call, _owned(call, kind), Listing())

    return handle


def _owned(call: Call, kind: str) -> list[Json]:
    if kind == "secrets":
        return stored_secrets.owned_by(call.db, call.target)
    return records.owned_by(call.db, kind.removesuffix("s"), call.target)
