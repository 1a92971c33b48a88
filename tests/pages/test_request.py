"""Test requests: ask for approval, decide, use the approval, and go on without it in an emergency."""

from __future__ import annotations

import uuid
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from keys.actions.requests.review import escalate_requests
from keys.evidence.leaver_rows import changed_plans
from keys.evidence.request_rows import changed_requests
from keys.models import AccessRequest, ApiKey, InboxItem, LeaverPlan, Notification, User
from keys.rules.permissions import Role
from keys.rules.policy.tiers import Tier
from tests.cast import a_key
from tests.pages.helpers import events, links, messages_of, rows, text
from tests.pages.journey import Tab
from tests.support.policies import enforced, everywhere, in_force


@pytest.fixture
def strict(cast) -> None:
    """Put a policy into force that asks for one approval of keys of any tier."""
    in_force(cast.owner, enforced(APPROVALS=everywhere(1)))


def wizard(browser, **more):
    body = {
        "id": str(uuid.uuid4()),
        "tab_key": Tab().public,
        "name": "Nightly export",
        "expiration": "1d",
        "purpose": "Exports the items every night.",
        "scopes": ["read:items", "read:users"],
        **more,
    }
    return browser.post("/keys/new/generate/", body)


def asked(browser, **more) -> str:
    """Ask for a key, and return the address of the request."""
    response = wizard(browser, reason="The export needs it.", **more)
    assert response.status_code == 302, text(response)
    return response["Location"]


def only() -> AccessRequest:
    return AccessRequest.objects.get()


def approve(browser, address: str, **more):
    return browser.post(f"{address}approve/", {"digest": only().digest, **more})


def generate(browser, address: str, key_id: uuid.UUID | None = None):
    return browser.post(f"{address}use/", {"id": str(key_id or uuid.uuid4()), "tab_key": Tab().public})


def test_a_key_that_needs_approval_is_generated_exactly_as_it_was_approved(
    browser_of, cast, strict, workspace
):
    admin, owner = browser_of("admin"), browser_of("owner")
    page = wizard(admin)
    assert "Another person must approve this" in text(page)
    assert "Ask for approval" in text(page)
    assert not ApiKey.objects.exists()
    address = asked(admin)
    page = admin.get(address)
    assert "You asked for it yourself" in text(page)
    assert cast.owner.name in text(page)
    assert generate(admin, address).status_code == 409
    assert not ApiKey.objects.exists()

    inbox = text(owner.get("/inbox/"))
    assert f"{cast.admin.name} asks for your approval: generate the API key “Nightly export”." in inbox
    page = text(owner.get(address))
    assert "What the key would reach" in page
    assert "Other active keys of" in page
    assert "You approved the request" in messages_of(owner.get(approve(owner, address)["Location"]))
    assert "asks for your approval" not in text(owner.get("/inbox/"))

    key_id = uuid.uuid4()
    assert "Generate the key" in text(admin.get(f"{address}use/"))
    assert generate(admin, address, key_id)["Location"] == f"/keys/{key_id}/store/"
    assert generate(admin, address, key_id)["Location"] == f"/keys/{key_id}/store/"  # a double click
    key = ApiKey.objects.get()
    assert (key.name, key.scopes, key.owner) == ("Nightly export", ["read:items", "read:users"], cast.admin)
    assert only().state == "used"
    assert generate(admin, address).status_code == 409
    assert ApiKey.objects.count() == 1
    [opened] = events(type="request:open")
    [approved] = events(type="request:approve")
    [used] = events(type="request:use")
    [requested] = events(type="key:request")
    hashes = {one.details["digest"] for one in (opened, approved, used, requested)}
    assert hashes == {only().digest}
    assert requested.details["request"] == str(only().pk)


@pytest.mark.parametrize("name", ["admin", "user"])
def test_nobody_approves_their_own_request_or_one_of_a_higher_role(browser_of, cast, strict, name):
    owner, other = browser_of("owner"), browser_of(name)
    address = asked(owner)
    assert approve(owner, address).status_code == 403
    assert approve(other, address).status_code in {403, 404}
    assert only().state == "open"
    assert not only().verdicts.exists()


def test_a_user_requests_a_key_and_generates_it_after_the_approval(browser_of, cast, workspace):
    user, admin = browser_of("user"), browser_of("admin")
    assert "Request an API key" in text(user.get("/requests/"))
    assert "The reason is missing" in text(wizard(user))
    address = asked(user)
    approve(admin, address)
    assert "Your request goes on" in text(user.get("/inbox/"))
    key_id = uuid.uuid4()
    assert generate(user, address, key_id)["Location"] == f"/keys/{key_id}/store/"
    assert ApiKey.objects.get().owner == cast.user
    assert [row["Request"] for row in rows(user.get("/requests/"))] == [
        "Generate the API key “Nightly export” The export needs it."
    ]


def test_in_assisted_mode_an_admin_who_did_not_approve_creates_the_key_of_a_user(browser_of, cast, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    user, admin, owner = browser_of("user"), browser_of("admin"), browser_of("owner")
    address = asked(user)
    approve(admin, address)
    assert generate(user, address).status_code == 403
    assert generate(admin, address).status_code == 403
    key_id = uuid.uuid4()
    assert generate(owner, address, key_id)["Location"] == f"/keys/{key_id}/paste/"
    key = ApiKey.objects.get()
    assert (key.owner, key.accountable) == (cast.owner, cast.user)


def test_a_denial_needs_a_reason_and_keeps_it(browser_of, cast):
    user, admin = browser_of("user"), browser_of("admin")
    address = asked(user)
    assert "The reason is missing" in text(admin.post(f"{address}deny/", {"reason": " "}))
    assert only().state == "open"
    admin.post(f"{address}deny/", {"reason": "Use the shared key."})
    assert "Use the shared key." in text(user.get(address))
    assert "denied your request" in text(user.get("/inbox/"))
    assert approve(admin, address).status_code == 302
    assert only().state == "denied"


def test_an_offer_voids_nothing_until_it_is_accepted_and_then_every_approval(browser_of, cast, strict):
    user, admin, owner = browser_of("user"), browser_of("admin"), browser_of("owner")
    address = asked(user, expiration="5d")
    same = {"scopes": ["read:items", "read:users"], "lasts": "", "reason": "Less."}
    assert "Remove a scope" in text(admin.post(f"{address}offer/", same))
    wider = {**same, "scopes": ["read:users"], "lasts": "1y"}
    assert "longer than was asked for" in text(admin.post(f"{address}offer/", wider))
    admin.post(f"{address}offer/", {**same, "scopes": ["read:users"], "lasts": "1d"})
    before = only()
    assert "A narrower key is offered" in text(user.get(address))
    assert admin.post(f"{address}answer/", {"accept": "yes", "digest": "x"}).status_code == 403
    shown = user.get(address)
    [hidden] = [one for one in shown.context["page"].offer.digest.split() if one]
    user.post(f"{address}answer/", {"accept": "yes", "digest": hidden})
    assert only().digest != before.digest
    assert only().act["scopes"] == ["read:users"]
    old = admin.post(f"{address}approve/", {"digest": before.digest})
    assert "has changed since you opened the page" in messages_of(admin.get(old["Location"]))
    approve(owner, address)
    generate(user, address)
    assert ApiKey.objects.get().scopes == ["read:users"]


def test_a_request_can_be_withdrawn_and_expires(browser_of, cast):
    user, admin = browser_of("user"), browser_of("admin")
    address = asked(user)
    assert admin.post(f"{address}withdraw/").status_code == 403
    user.post(f"{address}withdraw/")
    assert only().state == "withdrawn"
    assert "asks for your approval" not in text(admin.get("/inbox/"))
    AccessRequest.objects.all().delete()
    address = asked(user)
    AccessRequest.objects.update(decide_by=timezone.now())
    assert "Expired" in text(user.get(address))
    approve(admin, address)
    assert only().state == "open"
    assert not only().verdicts.exists()


def test_an_approval_can_be_used_for_a_day_and_by_the_requester_only(browser_of, cast, strict):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin)
    approve(owner, address)
    assert generate(owner, address).status_code == 403
    AccessRequest.objects.update(use_by=timezone.now())
    assert generate(admin, address).status_code == 409
    assert not ApiKey.objects.exists()


def test_an_approval_is_out_of_date_if_the_requester_has_a_higher_role_now(
    browser_of, cast, strict, workspace
):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin)
    approve(owner, address)
    AccessRequest.objects.update(least_role=Role.USER)  # as if the role had been lower
    assert "Your role is higher" in text(generate(admin, address))
    assert only().state == "stale"
    assert [one.reason[:19] for one in events(type="request:go-stale")] == ["Your role is higher"]


def test_if_cerby_refuses_the_approval_can_be_used_again(browser_of, cast, strict, workspace):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin)
    approve(owner, address)
    workspace.sandbox.faults.set([{"route": "POST /api/v1/api-keys", "fault": "422", "count": 1}])
    refused = generate(admin, address)
    workspace.sandbox.faults.set([])
    assert "No key was made" in text(refused)
    assert ApiKey.objects.get().state == "refused"
    assert generate(admin, address).status_code == 302
    assert ApiKey.objects.exclude(state="refused").get().state == "ready"


def test_in_an_emergency_the_owner_goes_on_alone_and_another_person_reviews_it(browser_of, cast, strict):
    owner, admin = browser_of("owner"), browser_of("admin")
    too_long = wizard(owner, reason="The site is down.", ticket="INC-7", alone="yes", expiration="5d")
    assert "at most 24 hours" in text(too_long)
    address = asked(owner, ticket="INC-7", alone="yes", expiration="1d").removesuffix("use/")
    assert "went on without approval" in text(admin.get("/inbox/"))
    admin.post(f"{address}review/", {"reason": "Fine."})
    assert only().reviewed_by is None, "nothing was done yet"
    generate(owner, address)
    assert ApiKey.objects.get().owner == cast.owner
    assert "Nobody approved this" in text(owner.get(address))
    assert owner.post(f"{address}review/", {"reason": "Fine."}).status_code == 403
    admin.post(f"{address}review/", {"reason": "It was needed, and is deleted."})
    assert only().reviewed_by == cast.admin
    assert [one.details["ticket"] for one in events(type="request:break-glass")] == ["INC-7"]
    assert "went on without approval" not in text(admin.get("/inbox/"))
    assert wizard(admin, name="Another", reason="x", ticket="INC-8", alone="yes").status_code == 403


def test_a_request_that_somebody_changed_in_the_database_is_not_carried_out(browser_of, cast, strict):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin)
    approve(owner, address)
    longer = only().document.replace('"lasts":86400', '"lasts":31536000')
    AccessRequest.objects.update(document=longer)
    assert "changed in the database" in text(generate(admin, address))
    assert not ApiKey.objects.exists()


def test_a_used_approval_is_out_of_date_as_well_if_the_policy_asks_for_more(browser_of, cast, strict):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin)
    approve(owner, address)
    generate(admin, address)
    ApiKey.objects.update(state="refused", holds_name=None)
    in_force(cast.owner, enforced(APPROVALS=everywhere(2)), number=2, base=1)
    assert "needs more approvals now" in text(generate(admin, address))
    assert only().state == "stale"


def test_the_approval_of_a_person_who_may_not_decide_any_more_does_not_count(browser_of, cast, strict):
    admin, owner = browser_of("admin"), browser_of("owner")
    address = asked(admin)
    approve(owner, address)
    cast.owner.role = Role.USER
    cast.owner.save()
    assert "may not decide about it any more" in text(generate(admin, address))
    assert only().state == "stale"


def test_after_half_the_time_the_owner_and_the_super_admins_are_told(browser_of, cast):
    asked(browser_of("user"))
    assert escalate_requests() == "Requests escalated: 0"
    now = timezone.now()
    AccessRequest.objects.update(made_at=now - timedelta(hours=40), decide_by=now + timedelta(hours=32))
    assert escalate_requests() == "Requests escalated: 1"
    assert escalate_requests() == "Requests escalated: 0"
    told = Notification.objects.get(words__startswith="Nobody has decided yet")
    assert {item.user.role for item in InboxItem.objects.filter(notification=told)} == {
        Role.OWNER,
        Role.SUPER_ADMIN,
    }


def test_the_list_shows_what_waits_and_each_request_leads_to_its_page(browser_of, cast):
    address = asked(browser_of("user"))
    admin = browser_of("admin")
    page = admin.get("/requests/")
    assert address in links(page).values()
    assert "In the last 90 days: 1 request; 0 % escalated, 0 % without approval." in text(page)
    assert "Requests that wait" in text(admin.get("/"))
    assert "You can decide" in text(page)
    for show in ("mine", "review", "all", "nonsense"):
        assert admin.get(f"/requests/?show={show}").status_code == 200
    assert browser_of("admin").get(f"/requests/{uuid.uuid4()}/").status_code == 404


def test_keys_of_a_leaver_are_kept_only_if_a_second_person_approves(browser_of, cast, workspace):
    key = a_key(cast.guest)
    admin, owner = browser_of("admin"), browser_of("owner")
    until = (timezone.localdate() + timedelta(days=9)).isoformat()
    body = {"key": [str(key.pk)], "decision": "keep", "until": until, "reason": ""}
    leaving = f"/people/{cast.guest.pk}/leaving/"
    assert "The reason is missing" in text(admin.post(leaving, body))
    address = admin.post(leaving, {**body, "reason": "The replacement is late."})["Location"]
    assert not LeaverPlan.objects.exclude(decision="").exists()
    assert approve(admin, address).status_code == 403
    assert f"Keep 1 API key until {until}" in text(owner.get(address))
    assert "The plan to keep the keys is recorded" in messages_of(
        owner.get(approve(owner, address)["Location"])
    )
    plan = LeaverPlan.objects.get()
    assert (plan.decision, plan.until.isoformat(), plan.decided_by) == ("keep", until, cast.admin)
    assert list(changed_requests()) == list(changed_plans()) == []


def test_if_nobody_else_could_approve_the_keys_are_kept_at_once(browser_of, cast):
    key = a_key(cast.guest)
    User.objects.exclude(pk=cast.owner.pk).update(is_active=False)
    until = (timezone.localdate() + timedelta(days=9)).isoformat()
    body = {"key": [str(key.pk)], "decision": "keep", "until": until, "reason": ""}
    browser_of("owner").post(f"/people/{cast.guest.pk}/leaving/", body)
    assert LeaverPlan.objects.get().decision == "keep"
    assert not AccessRequest.objects.exists()


def test_after_the_password_a_person_sees_the_request_again_before_they_approve(browser_of, cast):
    user, admin = browser_of("user"), browser_of("admin", seconds_ago=301)
    address = asked(user)
    assert approve(admin, address)["Location"] == f"/accounts/reauthenticate/?next={quote(address, safe='')}"
    assert only().state == "open"


def test_an_edit_does_not_make_a_key_one_that_needs_approval(browser_of, cast):
    in_force(cast.owner, enforced(APPROVALS={"tiers": dict.fromkeys(Tier), "agent": 1}))
    soon = timezone.now() + timedelta(days=5)
    key = a_key(cast.admin, purpose="P", accountable=cast.admin, expires_at=soon, stored_in="Automation")
    body = {"version": "0", "purpose": "P", "accountable": cast.admin.email, "kind": "agent"}
    refused = browser_of("admin").post(f"/keys/{key.pk}/edit/", body)
    assert "such a key needs approval" in text(refused)
    assert ApiKey.objects.get().kind == ""
