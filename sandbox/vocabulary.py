"""Constants of the API: the workspace, roles, statuses and scopes."""

from __future__ import annotations

import uuid

WORKSPACE_NAME = "contenzilla"
WORKSPACE_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{WORKSPACE_NAME}.example"))

# Lowest first. Cerby publishes `workspace_super_admin`; the other identifiers follow its pattern.
ROLES = (
    "workspace_guest",
    "workspace_login_only",
    "workspace_user",
    "workspace_admin",
    "workspace_super_admin",
    "workspace_owner",
)
ADMINS = frozenset({"workspace_admin", "workspace_super_admin", "workspace_owner"})

PERSON_STATUSES = frozenset({"live", "disabled", "pending"})
KEY_STATUSES = frozenset({"active", "expired", "removed"})
SECRET_CATEGORIES = frozenset(
    {"text", "server", "ssh_key", "database", "wifi_password", "software_license", "custom"}
)

PUBLISHED_SCOPES = frozenset(
    {
        "read:activities",
        "read:items",
        "read:items:accounts",
        "read:items:secrets",
        "read:users",
        "read:integrations",
        "write:integrations",
        "read:automations",
        "write:automations",
    }
)
# Cerby publishes only the labels of these eight; the identifiers are our contract.
OUR_SCOPES = frozenset(
    {
        "read:vaults",
        "read:teams",
        "write:items:accounts",
        "write:items:secrets",
        "write:users",
        "write:collections",
        "write:teams",
        "delete:teams",
    }
)
SCOPES = PUBLISHED_SCOPES | OUR_SCOPES


def outranks(role: str, other: str) -> bool:
    """Return whether ``role`` is higher than ``other``."""
    return ROLES.index(role) > ROLES.index(other)
