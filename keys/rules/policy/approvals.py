"""Count the approvals that a request for a key needs."""

from __future__ import annotations

from keys.rules.policy.document import Mode, Name, Policy
from keys.rules.policy.facts import Facts
from keys.rules.policy.violations import tier_in


def approvals_needed(policy: Policy, facts: Facts) -> int:
    """Return how many people must approve a key with these facts. It is 0 unless the rule is enforced."""
    rule = policy.rules.get(Name.APPROVALS)
    if rule is None or rule.mode is not Mode.ENFORCE:
        return 0
    return max(rule.values(tier_in(policy, facts), is_agent=facts.is_agent), default=0)
