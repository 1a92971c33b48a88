"""Name the modes in which people may sign in with a password (PORTAL_PASSWORD_SIGN_IN)."""

from __future__ import annotations

import enum
from collections.abc import Collection


class PasswordSignIn(enum.StrEnum):
    """``BREAK_GLASS``: only the people whom PORTAL_BREAK_GLASS_EMAILS names, and each use is told."""

    ON = "on"
    OFF = "off"
    BREAK_GLASS = "break-glass"

    def lets(self, email: str, named: Collection[str]) -> bool:
        return self is PasswordSignIn.ON or (self is PasswordSignIn.BREAK_GLASS and email in named)
