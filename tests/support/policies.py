"""Make policies, and the versions of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.utils import timezone

from keys.forms.policy import initial_of
from keys.models import ApiKey, PolicyException, PolicyVersion, User
from keys.rules.policy.document import DEFAULT, Mode, Name, Policy
from keys.rules.policy.tiers import Tier
from keys.rules.policy.written import digest, write


def changed(**rules: Any) -> Policy:
    """Return the policy that the portal comes with, with other values. The names are those of ``Name``."""
    new = {Name[name]: replace(DEFAULT.rules[Name[name]], **values) for name, values in rules.items()}
    return Policy({**DEFAULT.rules, **new})


def everywhere(value: Any) -> dict[str, Any]:
    return {"tiers": dict.fromkeys(Tier, value), "agent": value}


def enforced(*names: Name, **rules: Any) -> Policy:
    """Return the policy that the portal comes with, but with these rules enforced."""
    policy = changed(**rules)
    chosen = {*names, *(Name[name] for name in rules)}
    return Policy(
        {
            name: replace(rule, mode=Mode.ENFORCE) if name in chosen else rule
            for name, rule in policy.rules.items()
        }
    )


def a_version(author: User, policy: Policy, **columns: Any) -> PolicyVersion:
    """Store a proposed version. ``in_force`` stores one that is in force."""
    document = write(policy)
    facts: dict[str, Any] = {"number": 1, "base": 0, "reason": "R", "needs_approval": True, "author": author}
    facts |= {"document": document, "digest": digest(document), "proposed_at": timezone.now()}
    return PolicyVersion.objects.create(**facts | columns)


def in_force(author: User, policy: Policy, **columns: Any) -> PolicyVersion:
    facts = {"state": "active", "starts_at": timezone.now(), "needs_approval": False}
    return a_version(author, policy, **facts | columns)


def an_exception(key: ApiKey, asked_by: User, **columns: Any) -> PolicyException:
    """Store an exception from the rule about the team that waits for a decision."""
    facts = {"rule": "team", "reason": "R", "days": 30, "asked_at": timezone.now()}
    return PolicyException.objects.create(key=key, asked_by=asked_by, **facts | columns)


def as_form(policy: Policy) -> dict[str, Any]:
    """Return what a browser sends for the form with this policy."""
    values = initial_of(policy).items()
    return {name: "on" if value is True else value for name, value in values if value not in {None, False}}
