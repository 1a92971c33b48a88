"""The routing table: each address with its endpoint and the callers it accepts."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import api_keys, people, records, stored_secrets
from sandbox.auth import Access
from sandbox.messages import Handler
from sandbox.problems import method_not_allowed, not_found
from sandbox.vocabulary import ADMINS

_PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Route:
    """``path`` is relative to /api/v1/; ``*`` stands for an id."""

    method: str
    path: str
    handler: Handler
    access: Access


def _any_of(*scopes: str) -> Access:
    return Access(tuple(frozenset({scope}) for scope in scopes))


def _all_of(*scopes: str) -> Access:
    return Access((frozenset(scopes),))


_USERS = _any_of("read:users")
_VAULTS = Access((frozenset({"read:vaults"}),), roles=ADMINS)
_ACCOUNTS = _any_of("read:items", "read:items:accounts")
_SECRETS = _any_of("read:items", "read:items:secrets")
_NEW_SECRET = _all_of("read:items:secrets", "write:items:secrets")
_INTEGRATIONS = _any_of("read:integrations")
_JOBS = _any_of("read:automations")
_KEY_MANAGEMENT = Access(roles=ADMINS, people_only=True)

# Cerby publishes the scopes, and the roles for vaults. Key management is our contract.
ROUTES = (
    Route("GET", "users", people.list_users, _USERS),
    Route("GET", "users/*", people.get_user, _USERS),
    Route("GET", "vaults", records.list_endpoint("vault"), _VAULTS),
    Route("GET", "secrets", stored_secrets.list_secrets, _SECRETS),
    Route("GET", "secrets/*", stored_secrets.get_secret, _SECRETS),
    Route("POST", "secrets", stored_secrets.create_secret, _NEW_SECRET),
    Route("GET", "accounts", records.list_endpoint("account"), _ACCOUNTS),
    Route("GET", "accounts/*", records.get_endpoint("account"), _ACCOUNTS),
    Route("GET", "teams", records.list_endpoint("team"), _USERS),
    Route("GET", "teams/*", records.get_endpoint("team"), _USERS),
    Route("GET", "integrations", records.list_endpoint("integration"), _INTEGRATIONS),
    Route("GET", "integrations/*", records.get_endpoint("integration"), _INTEGRATIONS),
    Route("GET", "jobs/*", records.get_endpoint("job"), _JOBS),
    Route("POST", "api-keys", api_keys.issue, _KEY_MANAGEMENT),
    Route("GET", "api-keys", api_keys.list_keys, _KEY_MANAGEMENT),
    Route("GET", "api-keys/*", api_keys.get_key, _KEY_MANAGEMENT),
    Route("PATCH", "api-keys/*", api_keys.rescope, _KEY_MANAGEMENT),
    Route("DELETE", "api-keys/*", api_keys.remove, _KEY_MANAGEMENT),
)


def find(method: str, path: str) -> tuple[Route, str]:
    """Return the route and the id in the path ("" if it has none). Raises ApiError 404 or 405."""
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
