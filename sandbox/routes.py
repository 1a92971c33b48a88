"""The routing table: each address with its endpoint and the callers it accepts."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import api_keys, owned_items, people, records, secret_members, stored_secrets
from sandbox.auth import Access
from sandbox.messages import Handler
from sandbox.problems import method_not_allowed, not_found
from sandbox.vocabulary import ADMINS

_PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Route:
    """``path`` is relative to /api/v1/; ``*`` stands for an id, of which a path has at most one."""

    method: str
    path: str
    handler: Handler
    access: Access


def _any_of(*scopes: str) -> Access:
    return Access(tuple(frozenset({scope}) for scope in scopes))


def _all_of(*scopes: str) -> Access:
    return Access((frozenset(scopes),))


def _for_admins(*scopes: str) -> Access:
    return Access(_any_of(*scopes).scopes, roles=ADMINS)


_USERS = _for_admins("read:users")
_TEAMS = _for_admins("read:users", "read:teams")
_VAULTS = _for_admins("read:vaults")
_ACCOUNTS = _any_of("read:items", "read:items:accounts")
_SECRETS = _any_of("read:items", "read:items:secrets")
_NEW_SECRET = _all_of("read:items:secrets", "write:items:secrets")
_SHARE = _any_of("write:items:secrets")
_SECRETS_OF = _for_admins("read:items", "read:items:secrets")
_ACCOUNTS_OF = _for_admins("read:items", "read:items:accounts")
_COLLECTIONS_OF = _for_admins("read:items")
_INTEGRATIONS = _any_of("read:integrations")
_JOBS = _for_admins("read:automations")
_KEY_MANAGEMENT = Access(roles=ADMINS, people_only=True)

# Cerby publishes the scopes and the roles. Key management is our contract, and so is who may read the lists
# of a person's items, of which Cerby publishes only that they exist.
ROUTES = (
    Route("GET", "users", people.list_users, _USERS),
    Route("GET", "users/*", people.get_user, _USERS),
    Route("GET", "users/*/teams", owned_items.list_endpoint("teams"), _TEAMS),
    Route("GET", "users/*/secrets", owned_items.list_endpoint("secrets"), _SECRETS_OF),
    Route("GET", "users/*/accounts", owned_items.list_endpoint("accounts"), _ACCOUNTS_OF),
    Route("GET", "users/*/collections", owned_items.list_endpoint("collections"), _COLLECTIONS_OF),
    Route("GET", "vaults", records.list_endpoint("vault"), _VAULTS),
    Route("GET", "secrets", stored_secrets.list_secrets, _SECRETS),
    Route("GET", "secrets/*", stored_secrets.get_secret, _SECRETS),
    Route("POST", "secrets", stored_secrets.create_secret, _NEW_SECRET),
    Route("GET", "secrets/*/members/users", secret_members.list_endpoint("users"), _SECRETS),
    Route("POST", "secrets/*/members/users", secret_members.add_endpoint("users"), _SHARE),
    Route("GET", "secrets/*/members/teams", secret_members.list_endpoint("teams"), _SECRETS),
    Route("POST", "secrets/*/members/teams", secret_members.add_endpoint("teams"), _SHARE),
    Route("GET", "accounts", records.list_endpoint("account"), _ACCOUNTS),
    Route("GET", "accounts/*", records.get_endpoint("account"), _ACCOUNTS),
    Route("GET", "accounts/*/secrets", records.account_secrets, _ACCOUNTS),
    Route("GET", "teams", records.list_endpoint("team"), _TEAMS),
    Route("GET", "teams/*", records.get_endpoint("team"), _TEAMS),
    Route("GET", "integrations", records.list_endpoint("integration"), _INTEGRATIONS),
    Route("GET", "integrations/*", records.get_endpoint("integration"), _INTEGRATIONS),
    Route("GET", "integrations/*/users", records.integration_users, _INTEGRATIONS),
    Route("GET", "integrations/*/entitlements", records.integration_entitlements, _INTEGRATIONS),
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
    given = path.removeprefix(_PREFIX).split("/")
    routes = {route.method: route for route in ROUTES if _fits(route.path.split("/"), given)}
    if not routes:
        raise not_found()
    if method not in routes:
        raise method_not_allowed(list(routes))
    return routes[method], given[1] if len(given) > 1 else ""


def _fits(pattern: list[str], given: list[str]) -> bool:
    return len(pattern) == len(given) and all(
        part == actual or (part == "*" and actual != "") for part, actual in zip(pattern, given, strict=True)
    )
