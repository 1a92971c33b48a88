"""Check the rules for the keys of agents: a human sponsor, a short life, and storage in a vault."""

from __future__ import annotations

from datetime import datetime

from keys.models import ApiKey
from keys.rules.errors import Invalid
from keys.rules.lifecycle import AGENT_LIFE
from keys.validation.ownership import Ownership

AGENT = ApiKey.Kind.AGENT


def check_agent(
    ownership: Ownership, expires_at: datetime, now: datetime, *, field: str = "expiration"
) -> None:
    """Raise ``Invalid`` if an agent's key has no sponsor or expires too late. ``field``: of the expiry."""
    if ownership.kind != AGENT:
        return
    problems = {}
    if not ownership.accountable:
        problems["accountable"] = (
            "An agent needs a human sponsor. Enter the email of the person who answers for it."
        )
    if expires_at - now > AGENT_LIFE:
        problems[field] = f"The key of an agent may be valid for at most {AGENT_LIFE.days} days from now."
    if problems:
        raise Invalid(**problems)


def check_becomes_agent(key: ApiKey, ownership: Ownership, now: datetime) -> None:
    """Raise ``Invalid`` if an edit gives ``key`` to an agent against the rules, or removes the sponsor.

    Of a key that the portal did not generate, nobody knows where it is stored: that is a finding.
    """
    if ownership.kind != AGENT:
        return
    if key.kind == AGENT:
        check_agent(ownership, now, now)
        return
    if key.expires_at - now > AGENT_LIFE:
        raise Invalid(
            kind=f"The key of an agent may be valid for at most {AGENT_LIFE.days} days from now, and this "
            "one is valid for longer. Generate a new key for the agent."
        )
    if key.origin == ApiKey.Origin.GENERATED and key.stored_at and not key.stored_in:
        raise Invalid(kind="The key of an agent must be saved in a vault of Cerby, and this key was not.")
    check_agent(ownership, key.expires_at, now)


def needs_vault(key: ApiKey) -> bool:
    """Return whether only a vault counts as storage. The portal never had the plain text of other keys."""
    return key.kind == AGENT and key.origin == ApiKey.Origin.GENERATED
