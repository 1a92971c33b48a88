"""The portal's settings without a bound on the calls to Cerby in flight, for comparison."""

from __future__ import annotations

from portal.settings import *  # noqa: F403

CERBY_LIMITS = {"at_once": 0}
