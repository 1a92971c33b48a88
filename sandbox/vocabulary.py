"""Constants of the API: the workspace, roles, statuses and scopes."""

from __future__ import annotations

import uuid

WORKSPACE_NAME = "contenzilla"
WORKSPACE_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{WORKSPACE_NAME}.example"))

# Lowest first. Cerby publishes them, except `workspace_admin` and `workspace_user`, which are inferred.
ROLES = (
    "workspace_guest_user",
    "workspace_login_only",
    "workspace_user",
    "workspace_guest_admin",
    "workspace_admin",
    "workspace_super_admin",
    "workspace_owner",
)
ADMINS = frozenset({"workspace_guest_admin", "workspace_admin", "workspace_super_admin", "workspace_owner"})
GUESTS = frozenset({"workspace_guest_user", "workspace_guest_admin"})

PERSON_STATUSES = frozenset({"live", "disabled", "pending"})
RECORD_STATUSES = frozenset({"enabled", "disabled"})  # of an account or integration
VAULT_STATES = frozenset({"enabled", "disabled"})
LOCAL_SCHEME = "local_encryption_key"  # such a vault can take no secret over the API
VAULT_SCHEMES = frozenset({LOCAL_SCHEME, "kms_byo", "akv"})
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
