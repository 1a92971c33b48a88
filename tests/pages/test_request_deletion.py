"""Test the approval of deletions: of more than ten keys, in one list or several, and in an emergency."""

from __future__ import annotations

from keys.evidence.request_rows import changed_requests
from keys.models import ApiKey, Selection
from tests.pages.helpers import events, messages_of, text
from tests.pages.test_bulk import live, select, started, work
from tests.pages.test_request import approve, only


def test_more_than_ten_keys_are_deleted_when_a_second_person_approves(browser_of, cast, workspace):
    admin, owner = browser_of("admin"), browser_of("owner")
    keys = live(workspace, cast.user, 12)
    page = admin.get(select(admin, *keys, act="delete")["Location"])
    assert "A second person must approve" in text(page)
    selection = Selection.objects.get()
    start = f"/keys/bulk/{selection.pk}/start/"
    assert "The reason is missing" in text(admin.post(start, {"act": "delete", "typed": "12", "reason": ""}))
    address = admin.post(start, {"act": "delete", "typed": "12", "reason": "Nobody uses them."})["Location"]
    work()
    assert set(ApiKey.objects.values_list("state", flat=True)) == {"held"}
    assert "waits for approval already" in text(
        admin.post(start, {"act": "delete", "typed": "12", "reason": "Again."})
    )
    assert all(key.name in text(owner.get(address)) for key in keys)
    approve(owner, address)
    work()
    assert set(ApiKey.objects.values_list("state", flat=True)) == {"revoked"}
    [began] = events(type="bulk:start")
    assert (began.actor_id, began.details["digest"]) == (cast.admin.pk, only().digest)


def test_several_lists_together_need_approval_as_well(browser_of, cast, workspace):
    admin = browser_of("admin")
    keys = live(workspace, cast.user, 12)
    assert started(admin, keys[:6], "delete")
    select(admin, *keys[6:], act="delete")
    second = Selection.objects.get(act="")
    page = admin.get(f"/keys/bulk/{second.pk}/?act=delete")
    assert "more than ten keys within a day" in text(page)
    refused = admin.post(f"/keys/bulk/{second.pk}/start/", {"act": "delete"})
    assert "The reason is missing" in text(refused)
    work()
    assert ApiKey.objects.filter(state="revoked").count() == 6


def test_an_emergency_stop_of_many_keys_is_reviewed_by_another_person(browser_of, cast, workspace):
    admin, owner = browser_of("admin"), browser_of("owner")
    keys = live(workspace, cast.user, 11)
    select(admin, *keys, act="stop")
    body = {"act": "stop", "typed": "11", "reason": "A stolen laptop."}
    admin.post(f"/keys/bulk/{Selection.objects.get().pk}/start/", body)
    work()
    assert set(ApiKey.objects.values_list("state", flat=True)) == {"revoked"}
    address = f"/requests/{only().pk}/"
    assert "Nobody approved this" in text(owner.get(address))
    assert admin.post(f"{address}review/", {"reason": "Fine."}).status_code == 403
    owner.post(f"{address}review/", {"reason": "It was needed."})
    assert only().reviewed_by == cast.owner
    assert list(changed_requests()) == []


def test_a_list_that_somebody_changed_in_the_database_is_not_deleted(browser_of, cast, workspace):
    admin, owner = browser_of("admin"), browser_of("owner")
    keys = live(workspace, cast.user, 12)
    select(admin, *keys, act="delete")
    selection = Selection.objects.get()
    body = {"act": "delete", "typed": "12", "reason": "Nobody uses them."}
    address = admin.post(f"/keys/bulk/{selection.pk}/start/", body)["Location"]
    selection.items.order_by("position").first().delete()
    refused = approve(owner, address)
    assert "not the one that was approved" in messages_of(owner.get(refused["Location"]))
    assert only().state == "stale"
    work()
    assert set(ApiKey.objects.values_list("state", flat=True)) == {"held"}
