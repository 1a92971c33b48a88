"""Export the keys that would be outside a policy, for a CSV file."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.rules.policy.document import Policy
from keys.rules.policy.written import NotAPolicyError, digest, read
from keys.selectors.inventory.exports import Export
from keys.selectors.policy.preview import breaking_keys, groups_of

HEADER = ["Owner", "Email", "Key", "Id", "Rule", "Why", "What to do"]


def export_breaking_keys(actor: Actor, document: str) -> Export:
    """Return a line for each key that the policy would newly have outside, and rule. Raises ``Invalid``."""
    actor = authorize_now(actor, Action.EXPORT_INVENTORY)
    try:
        policy = read(document)
    except NotAPolicyError as error:
        raise Invalid(document=str(error)) from error
    described = f"outside=policy:{digest(document)[:12]}"
    log.append(Event.INVENTORY_EXPORTED, actor=actor, filter=described)
    return Export(None, timezone.now(), described, _rows(policy))


def _rows(policy: Policy) -> Iterator[list[str]]:
    for each in breaking_keys(groups_of(policy, timezone.now())):
        key = each.key
        for broken in each.violations:
            named = [key.owner_name, key.owner_email, key.name, str(key.pk)]
            yield [*named, broken.rule.label, broken.words, broken.fix]
