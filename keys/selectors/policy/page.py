"""Return the pages of the policy: each rule in words, the keys that do not meet it, and its versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.utils import timezone

from keys.audit.guard import authorize
from keys.models import ApiKey, Finding, PeriodicJob, PolicyVersion
from keys.models.policy import DEFAULT_DOCUMENT
from keys.rules import scopes as catalogue
from keys.rules.errors import Invalid, NotFound
from keys.rules.permissions import Action, Actor, Role
from keys.rules.policy.document import Mode, Name, Policy, Rule
from keys.rules.policy.in_words import rule_in_words
from keys.rules.policy.tiers import Tier, tier_of
from keys.rules.policy.written import read_stored
from keys.selectors.counts import bounded_count, count_label
from keys.selectors.policy.approvers import check_has_approvers
from keys.selectors.policy.facts import excepted, owners_keys, violations_of
from keys.selectors.policy.preview import SHOWN, Breaking, BreakingKey, Preview, breaking_keys, preview

VERSIONS = 20
"""Versions that the page lists, the newest ones."""


@dataclass(frozen=True)
class RuleRow:
    """``count``: how many keys do not meet the rule, in words."""

    name: Name
    words: str
    mode: Mode
    count: str
    is_met: bool


@dataclass(frozen=True)
class Outside:
    """A key that does not meet a rule, why not, and how to comply."""

    key: ApiKey
    words: str
    fix: str
    due_on: date


@dataclass(frozen=True)
class PolicyPage:
    """``version``: the one in force, None for the policy that the portal comes with. ``chosen``: the rule
    whose keys the page lists, if any. ``more``: whether it cannot list all of them. ``checked_at``: when the
    job last compared the keys.
    """

    version: PolicyVersion | None
    versions: list[PolicyVersion]
    proposal: PolicyVersion | None
    enforced: bool
    rules: list[RuleRow]
    tiers: list[tuple[Tier, str]]
    chosen: Name | None
    outside: list[Outside]
    checked_at: datetime | None
    more: bool
    may_change: bool


def policy_page(actor: Actor, rule: str) -> PolicyPage:
    """Return the data for the page. An unknown rule is ignored. Raise ``NotAllowed``."""
    authorize(actor, Action.SEE_INVENTORY)
    chosen = Name(rule) if rule in set(Name) else None
    findings = _first(chosen) if chosen else []
    version = PolicyVersion.in_force()
    policy = read_stored(version.document if version else DEFAULT_DOCUMENT)
    versions = list(
        PolicyVersion.objects.select_related("author", "decided_by").order_by("-number")[:VERSIONS]
    )
    job = PeriodicJob.objects.filter(name="findings").first()
    return PolicyPage(
        version=version,
        versions=versions,
        proposal=next((one for one in versions if one.state == PolicyVersion.State.PROPOSED), None),
        enforced=any(each.mode is Mode.ENFORCE for each in policy.rules.values()),
        rules=[_row(name, each) for name, each in policy.rules.items()],
        tiers=_tiers(policy),
        chosen=chosen,
        outside=_outside(findings, policy),
        checked_at=job.finished_at if job else None,
        more=len(findings) == SHOWN,
        may_change=actor.may(Action.CHANGE_POLICY),
    )


def _tiers(policy: Policy) -> list[tuple[Tier, str]]:
    """Return each tier with the scopes from which a key gets it, and the scopes that they include."""
    by_tier: dict[Tier, list[str]] = {tier: [] for tier in (Tier.LOW, Tier.MEDIUM, Tier.HIGH)}
    for scope in policy.tiers:
        by_tier[tier_of([scope], Role.USER, policy.tiers)].append(catalogue.label(scope))
    return [(tier, ", ".join(labels) or "None") for tier, labels in by_tier.items()]


def _row(name: Name, rule: Rule) -> RuleRow:
    count = bounded_count(Finding.objects.filter(rule=name))
    return RuleRow(name, rule_in_words(name, rule), rule.mode, count_label(count), count == 0)


def _first(rule: Name) -> list[Finding]:
    findings = Finding.objects.filter(rule=rule).select_related("key__owner")
    return list(findings.order_by("due_on", "id")[:SHOWN])


def _outside(findings: list[Finding], policy: Policy) -> list[Outside]:
    """Return the findings in words, without those that no longer hold, which the job closes."""
    now = timezone.now()
    counts = owners_keys({finding.key.owner_id for finding in findings}, now, policy)
    accepted = excepted([finding.key_id for finding in findings], now)
    return [
        Outside(finding.key, violation.words, violation.fix, finding.due_on)
        for finding in findings
        for violation in violations_of(finding.key, now, policy, counts)
        if violation.rule == finding.rule and (finding.key_id, finding.rule) not in accepted
    ]


def document_for(actor: Actor, number: str) -> tuple[int, str]:
    """Return the number and the JSON of a version, or of the policy in force. Raises ``NotFound``."""
    authorize(actor, Action.SEE_INVENTORY)
    version = PolicyVersion.in_force()
    if number.isdecimal() and number.isascii() and len(number) < len("1000000000"):
        version = PolicyVersion.objects.filter(number=int(number)).first()
        if version is None and int(number):
            raise NotFound("There is no such version of the policy.")
    return (version.number, version.document) if version else (0, DEFAULT_DOCUMENT)


@dataclass(frozen=True)
class ChangedRule:
    """A rule before and after, in words."""

    breaking: Breaking
    mode_before: Mode | None
    mode_after: Mode | None
    before: str
    after: str


@dataclass(frozen=True)
class PreviewPage:
    found: Preview
    rules: list[ChangedRule]
    keys: list[BreakingKey]
    more: bool


def preview_page(found: Preview) -> PreviewPage:
    """Return the preview in words, with the first keys by owner."""
    version = PolicyVersion.in_force()
    before = read_stored(version.document if version else DEFAULT_DOCUMENT)
    after = read_stored(found.document)
    keys = list(breaking_keys(found.groups, SHOWN)) if found.newly else []
    rules = [_changed(each, before, after) for each in found.rules]
    return PreviewPage(found, rules, keys, found.newly > len(keys))


def _changed(each: Breaking, before: Policy, after: Policy) -> ChangedRule:
    name = each.change.rule
    assert name is not None  # a preview names the rule of each change
    was, now = before.rules[name], after.rules[name]
    return ChangedRule(each, was.mode, now.mode, rule_in_words(name, was), rule_in_words(name, now))


@dataclass(frozen=True)
class VersionPage:
    """``preview``: who would break the version if it waits for a decision, else None. ``problem``: why it
    cannot come into force as it is.
    """

    version: PolicyVersion
    rules: list[RuleRow]
    tiers: list[tuple[Tier, str]]
    preview: PreviewPage | None
    problem: str
    is_own: bool
    may_change: bool


def version_page(actor: Actor, number: int) -> VersionPage:
    """Return one version. Raises ``NotAllowed`` and ``NotFound``."""
    authorize(actor, Action.SEE_INVENTORY)
    version = PolicyVersion.objects.select_related("author", "decided_by").filter(number=number).first()
    if version is None:
        raise NotFound("There is no such version of the policy.")
    policy = version.policy
    waits = version.state == PolicyVersion.State.PROPOSED
    return VersionPage(
        version=version,
        rules=[
            RuleRow(name, rule_in_words(name, rule), rule.mode, "", True)
            for name, rule in policy.rules.items()
        ],
        tiers=_tiers(policy),
        preview=preview_page(preview(policy, timezone.now())) if waits else None,
        problem=_problem(version) if waits else "",
        is_own=version.author_id == actor.user_id,
        may_change=actor.may(Action.CHANGE_POLICY),
    )


def _problem(version: PolicyVersion) -> str:
    in_force = PolicyVersion.in_force()
    if not version.is_intact:
        return "The document of this version was changed in the database. Decline it."
    if version.base != (in_force.number if in_force else 0):
        return "Another version has come into force since this one was proposed. Propose it again."
    try:
        check_has_approvers(version.policy)
    except Invalid as invalid:
        return invalid.sentence
    return ""
