"""Test the exceptions from the policy: who may ask, who may grant, and that each of them ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.actions.policy.find import find_outside
from keys.models import AuditEvent, Finding, PolicyException
from tests.cast import a_key, a_live_key, said_by
from tests.pages.helpers import links, names, reason_beside, text
from tests.support.policies import an_exception, enforced, everywhere, in_force

PAGE = "/policy/exceptions/"


@pytest.fixture
def key(cast):
    return a_key(cast.user, name="Robot", system="S", review_on=timezone.localdate(), team="")


def rules(key) -> set[str]:
    return set(Finding.objects.filter(key=key).values_list("rule", flat=True))


def test_a_finding_is_accepted_until_the_exception_ends(cast, browser_of, key):
    find_outside()
    assert rules(key) == {"team"}
    owner_of_key, granting = browser_of("user"), browser_of("owner")
    ask = links(owner_of_key.get(f"/keys/{key.pk}/"))["Ask for an exception"]
    asked = owner_of_key.post(ask, {"rule": "team", "days": "90", "reason": "The team is being formed."})
    assert asked.status_code == 302
    waiting = granting.get(PAGE)
    assert "The team is being formed." in text(waiting)
    assert "Exceptions to decide" in text(granting.get("/"))
    exception = PolicyException.objects.get()
    assert granting.post(f"{PAGE}{exception.pk}/grant/").status_code == 302
    exception.refresh_from_db()
    assert exception.ends_at - exception.decided_at <= timedelta(days=90, seconds=1)
    assert rules(key) == set()
    find_outside()
    assert rules(key) == set(), "the job does not find it again"
    assert names(granting.get("/keys/?needs=outside-policy")) == []
    assert "“Team”: accepted until" in text(granting.get(f"/keys/{key.pk}/"))
    PolicyException.objects.update(ends_at=timezone.now())
    find_outside()
    assert rules(key) == {"team"}
    assert names(granting.get("/keys/?needs=outside-policy")) == ["Robot"]
    said = said_by(AuditEvent.objects.get(type="exception:grant"))
    assert (said["rule"], said["exception"]) == ("team", str(exception.pk))


def test_neither_the_asking_person_nor_the_owner_of_the_key_grants(cast, browser_of, key):
    own = an_exception(key, cast.owner)
    assert browser_of("owner").post(f"{PAGE}{own.pk}/grant/").status_code == 403
    assert browser_of("admin").post(f"{PAGE}{own.pk}/grant/").status_code == 403
    of_owner = an_exception(a_key(cast.super_admin, team=""), cast.admin)
    assert browser_of("super_admin").post(f"{PAGE}{of_owner.pk}/grant/").status_code == 403
    assert browser_of("super_admin").post(f"{PAGE}{own.pk}/grant/").status_code == 302
    assert browser_of("super_admin").post(f"{PAGE}{own.pk}/grant/").status_code == 409


def test_an_exception_is_declined_withdrawn_and_ended_early(cast, browser_of, key):
    owner, other = browser_of("owner"), browser_of("super_admin")
    declined = an_exception(key, cast.admin)
    other.post(f"{PAGE}{declined.pk}/decline/", {"reason": ""})
    assert PolicyException.objects.get().state == "asked", "it needs a reason"
    other.post(f"{PAGE}{declined.pk}/decline/", {"reason": "Use a team."})
    assert "Use a team." in text(owner.get(PAGE))
    withdrawn = an_exception(key, cast.admin)
    assert browser_of("admin").post(f"{PAGE}{withdrawn.pk}/end/").status_code == 302
    ended = an_exception(key, cast.admin)
    other.post(f"{PAGE}{ended.pk}/grant/")
    assert owner.post(f"{PAGE}{ended.pk}/end/").status_code == 302
    assert owner.post(f"{PAGE}{ended.pk}/end/").status_code == 409
    states = set(PolicyException.objects.values_list("state", flat=True))
    assert states == {"declined", "withdrawn", "granted"}
    assert not PolicyException.in_force(timezone.now()).exists()


def test_what_needs_no_exception_or_would_not_end_is_refused(cast, browser_of, key):
    admin, path = browser_of("admin"), f"/keys/{key.pk}/exceptions/ask/"
    form = {"rule": "team", "days": "30", "reason": "R"}
    too_long = admin.post(path, form | {"days": "91"})
    assert reason_beside(too_long, "id_days") == "Enter a whole number from 1 to 90."
    assert admin.post(path, form | {"rule": "backup"}).status_code == 422
    assert admin.post(path, form).status_code == 302
    assert admin.post(path, form).status_code == 422
    assert PolicyException.objects.count() == 1


def test_an_excepted_key_may_get_more_scopes(cast, browser_of, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, team="")
    in_force(cast.owner, enforced(TEAM=everywhere(value=True)))
    sent = {"scope": "write:integrations", "on": "true"}
    admin = browser_of("admin")
    assert admin.post(f"/keys/{key.pk}/rescope/", sent).status_code == 422
    granted = {
        "state": "granted",
        "decided_by": cast.super_admin,
        "ends_at": timezone.now() + timedelta(days=1),
    }
    an_exception(key, cast.owner, **granted)
    assert admin.post(f"/keys/{key.pk}/rescope/", sent).status_code == 302
