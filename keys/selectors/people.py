"""Whom to ask, and the matrix of roles and actions as a table."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from keys.models import ApiKey, User
from keys.policy import Action, KeyManagement, OwnKey, Role, Rule, matrix

SHOWN = 5


def whom_to_ask() -> list[User]:
    """The workspace's Owner and Super Admins, as far as the portal knows them."""
    asked = User.objects.filter(role__in=[Role.OWNER, Role.SUPER_ADMIN], is_active=True)
    return list(asked.order_by("-role", "name")[:SHOWN])


def owns_keys(user_id: int) -> bool:
    return ApiKey.objects.filter(owner_id=user_id).exists()


@dataclass(frozen=True)
class MatrixRow:
    """``cells`` has one answer for each role, least first, then one for the key's own Owner."""

    action: str
    cells: list[tuple[bool, str]]
    note: str


def role_matrix() -> list[MatrixRow]:
    rules = matrix(KeyManagement(settings.PORTAL_KEY_MANAGEMENT))
    return [_row(action, rule) for action, rule in rules.items()]


def _row(action: Action, rule: Rule) -> MatrixRow:
    by_role = rule.own_key is not OwnKey.IS_REQUIRED
    cells = [(by_role and role in rule.roles, role.label) for role in Role]
    cells.append((rule.own_key is not OwnKey.DOES_NOT_MATTER, "The key's own Owner"))
    notes = []
    if rule.at_least_key_owner:
        notes.append("The role must be at least as high as the key owner's.")
    if rule.fresh_role:
        notes.append("Cerby must have confirmed the role within a day.")
    return MatrixRow(action.words[0].upper() + action.words[1:], cells, " ".join(notes))
