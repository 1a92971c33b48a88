"""Number the bits of ``KeyFacts.bits``: one for each scope, and one for each fact that a rule asks for.

Triggers compute them (keys.migrations._key_facts).
"""

from __future__ import annotations

SCOPES = (
    *("read:activities", "read:items", "read:items:accounts", "read:items:secrets", "read:users"),
    *("read:integrations", "write:integrations", "read:automations", "write:automations", "read:vaults"),
    *("read:teams", "write:items:accounts", "write:items:secrets", "write:users", "write:collections"),
    *("write:teams", "delete:teams"),
)
"""The scope of each bit, from the lowest. A new scope goes to the end, with a migration."""
SCOPE_BITS = {scope: 1 << place for place, scope in enumerate(SCOPES)}
UNKNOWN_SCOPE = 1 << 20
NO_PURPOSE, NO_TEAM, NO_SYSTEM, IS_ORPHAN, NO_BACKUP, NO_VAULT = (1 << place for place in range(21, 27))
IS_AGENT, CREATED_KNOWN, HAS_CERBY_ID, USE_READ = (1 << place for place in range(27, 31))
ALL_SCOPES = sum(SCOPE_BITS.values()) | UNKNOWN_SCOPE
