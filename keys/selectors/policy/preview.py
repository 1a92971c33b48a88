"""Show who would break a policy before it is saved: the keys, and the requests of the last 90 days."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from keys.models import ApiKey, AuditEvent, PolicyVersion
from keys.models.policy import DEFAULT_DOCUMENT, policy_in_force
from keys.rules.events import Event
from keys.rules.permissions import Role
from keys.rules.policy.changes import Change, compare_policies, needs_approval
from keys.rules.policy.document import Mode, Name, Policy
from keys.rules.policy.facts import Facts
from keys.rules.policy.refusals import refusals
from keys.rules.policy.violations import Violation
from keys.rules.policy.written import digest, read_stored, write
from keys.selectors.policy.facts import owners_keys, violations_of
from keys.selectors.policy.groups import Groups

SHOWN = 100
"""Keys that the page lists. The CSV file has all of them."""
LOOK_BACK = timedelta(days=90)
MOST_REQUESTS = 2_000
"""Requests that are compared, the newest ones."""
AT_ONCE = 500


@dataclass(frozen=True)
class Breaking:
    """How a rule changes. ``before`` and ``after``: the active keys outside it, None if it judges no keys.

    ``refused``: the requests that it would have refused, if it is enforced.
    """

    change: Change
    before: int | None
    after: int | None
    refused: int


@dataclass(frozen=True)
class Preview:
    """``base``: the number of the version in force. ``newly``: active keys that would be outside a changed
    rule and are not today. ``digest`` stands for the answer: it differs if the answer does.
    """

    document: str
    base: int
    changes: list[Change]
    rules: list[Breaking]
    newly: int
    requests: int
    refused: int
    digest: str
    groups: Groups

    @property
    def needs_approval(self) -> bool:
        return needs_approval(self.changes)


def preview(policy: Policy, now: datetime) -> Preview:
    """Compare all active keys, and the requests of the last 90 days, with ``policy``."""
    base, before = _in_force()
    found = compare_policies(before, policy)
    groups = Groups(before, policy, _changed(found), now)
    was, then, newly = count_groups(groups)
    requests, refused, refused_by = _refused(policy, found, now)
    rules = [
        Breaking(
            change,
            None if change.rule.is_for_requests else was[change.rule],
            None if change.rule.is_for_requests else then[change.rule],
            refused_by[change.rule],
        )
        for change in _shown(found)
        if change.rule is not None
    ]
    document = write(policy)
    newly_by_group = sorted(row for row in groups.counted if row[0] in groups.newly)
    answer = [document, base, sorted(was.items()), sorted(then.items()), newly_by_group]
    answer += [requests, refused, sorted(refused_by.items())]
    return Preview(document, base, found, rules, newly, requests, refused, digest(json.dumps(answer)), groups)


def _in_force() -> tuple[int, Policy]:
    version = PolicyVersion.in_force()
    document = version.document if version else DEFAULT_DOCUMENT
    return version.number if version else 0, read_stored(document)


def _shown(found: list[Change]) -> list[Change]:
    """Return a change for each rule: if the tiers of scopes change, every rule does."""
    if all(change.rule for change in found):
        return found
    [of_tiers] = [change for change in found if change.rule is None]
    own = {change.rule: change for change in found}
    return [own.get(name, replace(of_tiers, rule=name)) for name in Name]


def _changed(found: list[Change]) -> list[Name]:
    return [change.rule for change in _shown(found) if change.rule is not None]


def count_groups(groups: Groups) -> tuple[Counter[Name], Counter[Name], int]:
    """Return the keys outside each changed rule before and after, and the number of newly outside keys."""
    was, then, newly = Counter[Name](), Counter[Name](), 0
    for group, count, *_ in groups.counted:
        before, after = groups.outside(group)
        was.update(dict.fromkeys(before, count))
        then.update(dict.fromkeys(after, count))
        newly += count if group in groups.newly else 0
    return was, then, newly


@dataclass(frozen=True)
class BreakingKey:
    key: ApiKey
    violations: list[Violation]


def breaking_keys(groups: Groups, most: int | None = None) -> Iterator[BreakingKey]:
    """Yield the newly outside keys by owner, with the changed rules that they break."""
    changed, policy = set(groups.changed), groups.after
    ids = groups.newly_outside()
    for batch in _batches(ids[:most] if most else ids.iterator(chunk_size=AT_ONCE)):
        keys = ApiKey.objects.select_related("owner").in_bulk(batch)
        counts = owners_keys({key.owner_id for key in keys.values()}, groups.now, policy)
        for pk in batch:
            if key := keys.get(pk):
                broken = violations_of(key, groups.now, policy, counts)
                yield BreakingKey(key, [each for each in broken if each.rule in changed])


def groups_of(policy: Policy, now: datetime) -> Groups:
    """Return the groups of keys that the change from the policy in force to ``policy`` can tell apart."""
    before = policy_in_force()
    return Groups(before, policy, _changed(compare_policies(before, policy)), now)


def _batches(ids: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for each in ids:
        batch.append(each)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _refused(policy: Policy, found: list[Change], now: datetime) -> tuple[int, int, Counter[Name]]:
    """Return how many requests were compared, how many the changed rules would refuse, and by rule."""
    changed = set(_changed(found))
    rules = {
        name: replace(rule, mode=Mode.ENFORCE if name in changed and rule.mode is not Mode.OFF else Mode.OFF)
        for name, rule in policy.rules.items()
    }
    strict = replace(policy, rules=rules)
    events = AuditEvent.objects.filter(type=Event.KEY_REQUESTED, at__gte=now - LOOK_BACK).order_by(
        "-at", "-id"
    )
    by_rule: Counter[Name] = Counter()
    requests = refused = 0
    if not changed:
        return 0, 0, by_rule
    for event in events.only("at", "key_name", "actor_role", "details")[:MOST_REQUESTS]:
        requests += 1
        rules_broken = {each.rule for each in refusals(strict, facts_of_event(event), event.at)}
        refused += bool(rules_broken)
        by_rule.update(rules_broken)
    return requests, refused, by_rule


_ROLES = {role.label: role for role in Role}


def facts_of_event(event: AuditEvent) -> Facts:
    """Return the facts about a key when it was requested. How many keys its owner had is not known."""
    said = event.details
    return Facts(
        scopes=tuple(scope for scope in said.get("scopes", []) if isinstance(scope, str)),
        owner_role=_ROLES.get(event.actor_role, Role.USER),
        is_agent=said.get("kind") == ApiKey.Kind.AGENT,
        purpose=said.get("purpose", ""),
        team=said.get("team", ""),
        system=said.get("system", ""),
        is_orphan=not said.get("accountable"),
        has_backup=bool(said.get("backup")),
        review_on=datetime.fromisoformat(said["review_on"]).date() if said.get("review_on") else None,
        created_at=event.at,
        expires_at=datetime.fromisoformat(said["expires_at"]),
        used_at=event.at,
        stored_in=None,
        name=event.key_name,
    )
