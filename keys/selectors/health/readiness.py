"""Tell monitoring, which does not sign in, whether this node can work and what holds the portal back."""

from __future__ import annotations

from keys.audit import chain
from keys.audit.tree_store import head
from keys.selectors.health.safeguards import active_quarantine


def not_ready() -> str:
    """Return why this node cannot do anything that is recorded, as a sentence, or ""."""
    return chain.problem()


def held_back_by() -> str:
    """Return why the portal does not revoke or sign, on all nodes, as sentences, or ""."""
    quarantine, refusal = active_quarantine(), head().refusal
    return " ".join(
        [
            *([f"The quarantine is on. {quarantine.reason}"] if quarantine else []),
            *([f"The portal refuses to sign. {refusal}"] if refusal else []),
        ]
    )
