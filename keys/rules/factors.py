"""Decide who must have a second factor (PORTAL_MFA_REQUIRED)."""

from __future__ import annotations

import enum

from keys.rules.permissions import ADMINS, Role


class Required(enum.StrEnum):
    """Who must have a second factor. ``ADMINS`` are Owners, Super Admins and Admins."""

    NOBODY = "nobody"
    ADMINS = "admins"
    EVERYBODY = "everybody"


def must_have_factor(required: Required, role: Role) -> bool:
    return required is Required.EVERYBODY or (required is Required.ADMINS and role in ADMINS)
