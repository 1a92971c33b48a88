"""Test that versions of the policy that somebody changes in the database contradict the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.actions.policy.decide import approve_policy
from keys.actions.policy.exceptions import ask_for_exception, end_exception, grant_exception
from keys.actions.policy.propose import checked_preview, propose_policy
from keys.evidence.exception_rows import changed_exceptions
from keys.evidence.policy_rows import changed_policies
from keys.evidence.row_check import contradictions
from keys.models import PolicyException, PolicyVersion
from keys.rules.policy.written import digest, write
from tests.cast import a_key, actor
from tests.support.cases import case
from tests.support.policies import a_version, an_exception, changed, enforced, everywhere

LOOSER = write(changed(LIFE=everywhere(3_000)))
ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "document": ({"document": LOOSER, "digest": digest(LOOSER)}, "its document was changed."),
    "reason": ({"reason": "Other"}, "its author or reason was changed."),
    "state": (
        {"state": "declined", "starts_at": None},
        "it is declined in its row, and active according to the log.",
    ),
    "alone": ({"alone": True}, "whether its author approved it alone was changed."),
}


def words() -> list[str]:
    return [one.words for one in changed_policies()]


def test_a_version_that_somebody_changes_in_the_database_contradicts_the_log(cast, sandbox):
    document = write(enforced(TEAM={}))
    seen = checked_preview(document).digest
    propose_policy(actor(cast.owner), document, reason="R", seen=seen)
    approve_policy(actor(cast.super_admin), 1, seen=seen)
    assert words() == []
    for name, (columns, said) in ATTACKS.items():
        with case(name):
            before = PolicyVersion.objects.values(*columns).get()
            PolicyVersion.objects.update(**columns)
            assert words() == [f"Version 1 of the policy: {said}"]
            PolicyVersion.objects.update(**before)
    a_version(cast.owner, enforced(TEAM={}), number=2, state="active", alone=True, starts_at=timezone.now())
    assert words() == ["Version 2 of the policy: no event recorded it."]
    PolicyVersion.objects.filter(number=1).delete()
    assert "Version 1 of the policy: its row was deleted." in {one.words for one in contradictions()}


EXCEPTION_ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "rule": (
        {"rule": "backup"},
        "the key, the rule, the days, the person who asked or the reason was changed.",
    ),
    "state": ({"state": "declined"}, "it is declined in its row, and granted according to the log."),
    "end": ({"ends_at": timezone.now() + timedelta(days=900)}, "it ends later than the log says."),
}


def test_an_exception_that_somebody_changes_in_the_database_contradicts_the_log(cast, sandbox):
    key = a_key(cast.user, team="")
    made = ask_for_exception(actor(cast.admin), key.pk, "team", days=30, reason="R")
    grant_exception(actor(cast.owner), made.pk)

    def said() -> list[str]:
        return [one.words for one in changed_exceptions()]

    assert said() == []
    for name, (columns, wrong) in EXCEPTION_ATTACKS.items():
        with case(name):
            before = PolicyException.objects.values(*columns).get()
            PolicyException.objects.update(**columns)
            assert said() == [f"Exception {made.pk}: {wrong}"]
            PolicyException.objects.update(**before)
    end_exception(actor(cast.super_admin), made.pk)
    withdrawn = ask_for_exception(actor(cast.admin), key.pk, "team", days=30, reason="R")
    end_exception(actor(cast.admin), withdrawn.pk)
    assert said() == [], "ended and withdrawn"
    granted = {"state": "granted", "decided_by": cast.owner, "ends_at": timezone.now() + timedelta(days=1)}
    invented = an_exception(key, cast.admin, **granted)
    assert said() == [f"Exception {invented.pk}: no event recorded it."]
    PolicyException.objects.filter(pk=made.pk).delete()
    assert f"Exception {made.pk}: its row was deleted." in {one.words for one in contradictions()}
