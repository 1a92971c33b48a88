"""Helpers for the tests of the sandbox's faults."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sandbox.world import World

ISSUE = "POST /api/v1/api-keys"
DELETE = "DELETE /api/v1/api-keys/*"
LIST = "GET /api/v1/api-keys"
EXTERNAL_ID = "7d9a5d3e-9d5c-4b54-9a34-0d3e5a3d6d11"


def fault(world: World, name: str, route: str = "*", **more: object) -> None:
    """Set this fault as the only rule."""
    world.sandbox.faults.set([{"fault": name, "route": route, **more}])


def external_ids(world: World) -> list[str]:
    """Return the external ids of the active keys."""
    return [key["external_id"] for key in world.sandbox.api_keys() if key["status"] == "active"]


def last(world: World) -> tuple[str | None, int, bool]:
    """Return fault, status and committed of the latest request in the journal."""
    entry = world.sandbox.journal()[-1]
    return entry["fault"], entry["status"], entry["committed"]


def make_keys(world: World, count: int) -> list[str]:
    """Issue keys a minute apart and return their ids, oldest first."""
    made = []
    for _ in range(count):
        made.append(world.issue(externalId=str(uuid.uuid4())).json()["data"]["id"])
        world.clock.advance(seconds=60)
    return made


def listed(world: World, query: str = "") -> list[str]:
    return [key["id"] for key in world.get(f"api-keys?{query}", token=world.token()).json()["data"]]
