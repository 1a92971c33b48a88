"""Cerby's identifiers of roles, and the roles that they mean here."""

from __future__ import annotations

from keys.rules.permissions import Role

GUEST_ADMIN = "workspace_guest_admin"

ROLES: dict[str, Role] = {
    "workspace_owner": Role.OWNER,
    "workspace_super_admin": Role.SUPER_ADMIN,
    "workspace_admin": Role.ADMIN,
    GUEST_ADMIN: Role.ADMIN,
    "workspace_user": Role.USER,
    "workspace_login_only": Role.LOGIN_ONLY,
    "workspace_guest_user": Role.GUEST,
    "workspace_guest": Role.GUEST,
}
"""Cerby (published): the enum, without ``workspace_admin`` and ``workspace_user``, which are inferred.

``workspace_guest`` is an older spelling of ``workspace_guest_user``.
"""


def role_of(identifier: str, *, is_guest: bool) -> Role | None:
    """Return the role for ``identifier``, or None if it is not known.

    A guest with any other role than ``workspace_guest_admin`` counts as a Guest User.
    """
    role = ROLES.get(identifier)
    if role is None or identifier == GUEST_ADMIN or not is_guest:
        return role
    return Role.GUEST


def role_in_words(role: Role, identifier: str, *, known: bool) -> str:
    """Return the role's label, with Cerby's identifier if the label alone would hide something."""
    if identifier == GUEST_ADMIN:
        return f"{role.label} (a guest with admin rights in Cerby)"
    if not known:
        said = f"“{identifier}”, which the portal does not know" if identifier else "nothing readable"
        return f"{role.label} (Cerby says {said})"
    return role.label
