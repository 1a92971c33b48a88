"""The routing table: each address with its endpoint, and who may call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox import api_keys, people, records, stored_secrets
from sandbox.messages import Call, Response
from sandbox.problems import method_not_allowed, not_found
from sandbox.vocabulary import ADMINS, ROLES

Handler = Callable[[Call], Response]
Scopes = tuple[frozenset[str], ...]
"""Sets of scopes, of which holding any one in full is enough."""

_PREFIX = "/api/v1/"
_EVERYONE = frozenset(ROLES)


@dataclass(frozen=True)
class Route:
    """``path`` is below /api/v1/, with ``*`` where an id stands. ``people_only`` refuses API keys."""

    method: str
    path: str
    handler: Handler
    scopes: Scopes = ()
    roles: frozenset[str] = _EVERYONE
    people_only: bool = False


def _any_of(*scopes: str) -> Scopes:
    return tuple(frozenset({scope}) for scope in scopes)


def _all_of(*scopes: str) -> Scopes:
    return (frozenset(scopes),)


def _key_management(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, roles=ADMINS, people_only=True)


_USERS = _any_of("read:users")
_ACCOUNTS = _any_of("read:items", "read:items:accounts")
_SECRETS = _any_of("read:items", "read:items:secrets")
_INTEGRATIONS = _any_of("read:integrations")

# Scopes and the role for vaults: Cerby (published). Key management: our contract.
ROUTES = (
    Route("GET", "users", people.list_users, _USERS),
    Route("GET", "users/*", people.get_user, _USERS),
    Route("GET", "vaults", records.list_endpoint("vault"), _any_of("read:vaults"), ADMINS),
    Route("GET", "secrets", stored_secrets.list_secrets, _SECRETS),
    Route("GET", "secrets/*", stored_secrets.get_secret, _SECRETS),
    Route(
        "POST", "secrets", stored_secrets.create_secret, _all_of("read:items:secrets", "write:items:secrets")
    ),
    Route("GET", "accounts", records.list_endpoint("account"), _ACCOUNTS),
    Route("GET", "accounts/*", records.one_endpoint("account"), _ACCOUNTS),
    Route("GET", "teams", records.list_endpoint("team"), _USERS),
    Route("GET", "teams/*", records.one_endpoint("team"), _USERS),
    Route("GET", "integrations", records.list_endpoint("integration"), _INTEGRATIONS),
    Route("GET", "integrations/*", records.one_endpoint("integration"), _INTEGRATIONS),
    Route("GET", "jobs/*", records.one_endpoint("job"), _any_of("read:automations")),
    _key_management("POST", "api-keys", api_keys.issue),
    _key_management("GET", "api-keys", api_keys.list_keys),
    _key_management("GET", "api-keys/*", api_keys.get_key),
    _key_management("PATCH", "api-keys/*", api_keys.rescope),
    _key_management("DELETE", "api-keys/*", api_keys.remove),
)


def find(method: str, path: str) -> tuple[Route, str]:
    """The route and the id in its path, or "". Raises ApiError 404 or 405."""
    if not path.startswith(_PREFIX):
        raise not_found()
    collection, slash, target = path.removeprefix(_PREFIX).partition("/")
    shape = f"{collection}/*" if slash and target else collection + slash
    routes = {route.method: route for route in ROUTES if route.path == shape}
    if not routes:
        raise not_found()
    if method not in routes:
        raise method_not_allowed(list(routes))
    return routes[method], target
