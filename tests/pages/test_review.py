"""Reviews: from the inventory over the freeze, the decisions and the sign-off to the certificates."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from keys.actions.reviews.keep_going import keep_reviews_going
from keys.models import ApiKey, Campaign, Certificate, InboxItem, ReviewItem
from tests.cast import a_key, signed_in
from tests.pages.helpers import Response, attribute, elements, events, links, many_keys, queries, text, the
from tests.support.cases import in_one_test

DAY = timedelta(days=1)


def good(owner, **columns) -> ApiKey:
    """Create a key that meets every rule of the policy."""
    usual = {"team": "T", "system": "S", "review_on": timezone.localdate() + 9 * DAY}
    return a_key(owner, **usual | columns)


def started(browser: Client, **more: str) -> Campaign:
    day = timezone.localdate() + 7 * DAY
    entered = {"name": f"Review {uuid.uuid4().hex[:6]}", "rationale": "Yearly.", "due_on": f"{day}"}
    response = browser.post("/reviews/start/", entered | {"query": "status=active"} | more)
    assert response.status_code == 302, text(response)
    keep_reviews_going()
    return Campaign.objects.get(pk=response["Location"].split("/")[2])


def items_of(campaign: Campaign) -> dict[str, ReviewItem]:
    return {item.key.name: item for item in campaign.items.select_related("key").order_by("id")}


def decide(browser: Client, item: ReviewItem, decision: str, sentence: str = "") -> Response:
    sent = {"item": item.pk, "decision": decision, "sentence": sentence}
    return browser.post(f"/reviews/{item.campaign_id}/decide/", sent)


def keep_all(browser: Client, campaign: Campaign) -> None:
    for item in campaign.items.filter(decision=""):
        assert decide(browser, item, "keep", "Needed.").status_code == 302


def sign(browser: Client, campaign: Campaign, reason: str = "Checked."):
    return browser.post(f"/reviews/{campaign.pk}/sign/", {"reason": reason})


@in_one_test("mode", ["direct", "assisted"])
def test_the_whole_way_from_the_inventory_to_the_certificate(cast, settings, mode):
    settings.CERBY_ISSUE_MODE = mode
    keys = [good(cast.user, name=f"Key {number}", accountable=cast.admin) for number in range(3)]
    good(cast.user, name="Not selected", accountable=cast.admin)
    ApiKey.objects.filter(pk=keys[2].pk).update(team="")
    admin, owner = signed_in(cast.admin), signed_in(cast.owner)
    sent = {"key": [str(key.pk) for key in keys], "act": "review"}
    form = admin.get(admin.post("/keys/bulk/select/", sent)["Location"])
    assert "3 selected keys" in text(form)
    [hidden] = elements(form, "input", name="selection")
    campaign = started(admin, selection=dict(hidden.attributes)["value"], name="Spring", query="")
    assert list(items_of(campaign)) == ["Key 0", "Key 1", "Key 2"]
    page = admin.get(f"/reviews/{campaign.pk}/")
    assert "0 of 3 decided" in text(page)
    assert "Review 3 API keys in “Spring”" in text(admin.get("/inbox/"))
    assert "Spring" in links(admin.get("/reviews/"))
    items = items_of(campaign)
    assert decide(admin, items["Key 0"], "keep").status_code == 302
    refused = decide(admin, items["Key 2"], "keep")
    assert refused.status_code == 422
    assert "This API key has a finding. Enter a sentence" in text(refused)
    assert decide(admin, items["Key 2"], "keep", "The team is new.").status_code == 302
    assert decide(admin, items["Key 0"], "remove").status_code == 409, "it is decided"
    assert "waits for a sign-off" not in text(owner.get("/inbox/"))
    assert decide(admin, items["Key 1"], "remove").status_code == 302
    assert "Review 3 API keys" not in text(admin.get("/inbox/")), "the last decision ends the task"
    assert "waits for a sign-off" in text(owner.get("/inbox/"))
    assert "Certified" not in text(admin.get(f"/keys/{keys[0].pk}/"))
    assert "Sign off" in text(owner.get(f"/reviews/{campaign.pk}/"))
    assert sign(owner, campaign).status_code == 302
    assert set(Certificate.objects.values_list("key__name", flat=True)) == {"Key 0", "Key 2"}
    assert "waits for a sign-off" not in text(owner.get("/inbox/"))
    shown = owner.get(f"/reviews/{campaign.pk}/")
    assert "Admin Person 3 decided" in text(shown)
    assert "0 % in bulk" in text(shown)
    said = [event.type for event in events() if event.type.startswith(("review:", "key:review"))]
    assert sorted(said) == sorted(
        ["review:start", "review:open", *["key:review"] * 3, "review:close", "review:sign"]
    )
    ApiKey.objects.filter(pk=keys[1].pk).update(state="revoked", removed_at=timezone.now())
    assert "to be carried out" in text(shown)
    keep_reviews_going()
    assert "to be carried out" not in text(owner.get(f"/reviews/{campaign.pk}/"))


def test_nobody_reviews_a_key_that_they_own(cast):
    own = good(cast.admin, name="Own", accountable=cast.admin, backup=cast.super_admin)
    good(cast.user, name="Other", accountable=cast.user, backup=cast.user)
    campaign = started(signed_in(cast.admin))
    items = items_of(campaign)
    assert items["Own"].reviewer == cast.super_admin
    assert items["Other"].reviewer == cast.admin
    assert decide(signed_in(cast.admin), items["Own"], "keep").status_code == 409
    ApiKey.objects.filter(pk=own.pk).update(owner=cast.super_admin)
    refused = decide(signed_in(cast.super_admin), items["Own"], "keep")
    assert refused.status_code == 409
    assert "You own this API key" in text(refused)
    assert not events(type="key:review")


def test_not_mine_gives_the_key_to_another_person_with_a_reason(cast):
    good(cast.user, name="K", accountable=cast.admin)
    campaign = started(signed_in(cast.admin))
    [item] = campaign.items.all()
    address = f"/reviews/{campaign.pk}/items/{item.pk}/"
    admin, guest = signed_in(cast.admin), signed_in(cast.guest)
    assert guest.get(f"/reviews/{campaign.pk}/").status_code == 404
    for email, reason, wrong in (
        (cast.user.email, "Theirs.", "This person owns the API key"),
        ("nobody@contenzilla.example", "Theirs.", "Nobody with this email can sign in"),
        (cast.guest.email, "", "Enter a reason"),
    ):
        refused = admin.post(f"{address}move/", {"to": email, "reason": reason})
        assert refused.status_code == 422
        assert wrong in text(refused)
    assert admin.post(f"{address}move/", {"to": cast.guest.email, "reason": "Theirs."}).status_code == 302
    assert decide(admin, item, "keep").status_code == 409
    assert "Review 1 API key" not in text(admin.get("/inbox/"))
    assert "K" in links(guest.get(f"/reviews/{campaign.pk}/"))
    assert decide(guest, item, "keep").status_code == 302
    [moved] = events(type="key:move-review")
    assert moved.reason == "Theirs."


def test_only_an_owner_or_super_admin_who_reviewed_nothing_signs_off(cast):
    good(cast.user, accountable=cast.super_admin)
    campaign = started(signed_in(cast.admin))
    highest = signed_in(cast.super_admin)
    assert sign(signed_in(cast.owner), campaign).status_code == 409, "it is open"
    keep_all(highest, campaign)
    assert sign(highest, campaign).status_code == 409
    assert "You have reviewed items of this campaign" in text(highest.get(f"/reviews/{campaign.pk}/"))
    assert sign(signed_in(cast.admin), campaign).status_code == 403
    assert "Confirm" in text(sign(signed_in(cast.owner, seconds_ago=9999), campaign))
    assert Campaign.objects.get().signed_by is None
    assert sign(signed_in(cast.owner), campaign, "").status_code == 422
    assert sign(signed_in(cast.owner), campaign).status_code == 302
    assert sign(signed_in(cast.owner), campaign).status_code == 409
    assert Campaign.objects.get().signed_by == cast.owner


def test_only_unchanged_keys_without_findings_are_kept_together(cast):
    keys = [good(cast.user, name=f"K{number}", accountable=cast.admin) for number in range(4)]
    admin, owner = signed_in(cast.admin), signed_in(cast.owner)
    first = started(admin)
    address = f"/reviews/{first.pk}/keep/"
    assert admin.post(address, {"tick": [item.pk for item in first.items.all()]}).status_code == 302
    assert not events(type="key:review"), "they are new"
    keep_all(admin, first)
    sign(owner, first)
    ApiKey.objects.filter(pk=keys[0].pk).update(purpose="Another one")
    ApiKey.objects.filter(pk=keys[1].pk).update(team="")
    second = started(admin)
    items = items_of(second)
    assert {name: item.comparison for name, item in items.items()} == {
        "K0": "changed", "K1": "changed", "K2": "same", "K3": "same",
    }  # fmt: skip
    page = admin.get(f"/reviews/{second.pk}/")
    assert len(elements(page, "input", name="tick")) == 2
    address = f"/reviews/{second.pk}/keep/"
    admin.post(address, {"tick": [item.pk for item in items.values()]})
    assert second.items.filter(decision="").count() == 4, "all or nothing"
    admin.post(address, {"tick": [items["K2"].pk, items["K3"].pk]})
    assert set(second.items.filter(in_bulk=True).values_list("key__name", flat=True)) == {"K2", "K3"}
    assert "in bulk" in text(admin.get(f"/reviews/{second.pk}/?show=keep"))


def test_what_nobody_decides_is_escalated_once_and_then_not_certified(cast):
    key = good(cast.user, name="Forgotten", accountable=cast.admin)
    admin, owner = signed_in(cast.admin), signed_in(cast.owner)
    campaign = started(admin)
    Campaign.objects.update(due_at=timezone.now() - DAY)
    keep_reviews_going()
    keep_reviews_going()
    assert len(events(type="review:escalate")) == 1
    assert "is overdue" in text(owner.get("/inbox/"))
    [item] = campaign.items.all()
    moved = owner.post(
        f"/reviews/{campaign.pk}/items/{item.pk}/move/", {"to": cast.super_admin.email, "reason": "Late."}
    )
    assert moved.status_code == 302, "an Owner may move what is late"
    Campaign.objects.update(due_at=timezone.now() - 8 * DAY)
    keep_reviews_going()
    item.refresh_from_db()
    assert (item.decision, item.decided_by) == ("not_certified", None)
    assert "Waits for sign-off" in text(owner.get(f"/reviews/{campaign.pk}/"))
    assert "Not certified" in text(admin.get(f"/keys/{key.pk}/"))
    assert "Forgotten" in links(admin.get("/keys/?needs=not-certified"))
    assert "/keys/?needs=not-certified" in links(admin.get("/")).values()
    assert "is not certified" in text(signed_in(cast.user).get("/inbox/"))
    assert decide(signed_in(cast.super_admin), item, "keep").status_code == 409


def test_a_review_repeats_itself_until_somebody_stops_it(cast):
    good(cast.user, accountable=cast.admin)
    admin = signed_in(cast.admin)
    campaign = started(admin, cadence="30")
    keep_all(admin, campaign)
    Campaign.objects.update(opened_at=timezone.now() - 31 * DAY)
    keep_reviews_going()
    keep_reviews_going()
    new = Campaign.objects.exclude(pk=campaign.pk).get()
    assert (new.previous, new.state, new.items.count()) == (campaign, "open", 1)
    assert admin.post(f"/reviews/{new.pk}/stop/").status_code == 302
    assert len(events(type="review:stop-repeating")) == 1
    Campaign.objects.filter(pk=new.pk).update(cadence=None)
    keep_all(admin, new)
    Campaign.objects.update(opened_at=timezone.now() - 31 * DAY)
    keep_reviews_going()
    assert Campaign.objects.count() == 2


def test_the_pages_ask_the_same_questions_for_few_items_and_for_many(cast):
    admin = signed_in(cast.admin)
    good(cast.user, accountable=cast.admin)
    campaign = started(admin)
    admin.get(f"/reviews/{campaign.pk}/")
    one = queries(admin, f"/reviews/{campaign.pk}/")
    many_keys(cast.user, 30)
    second = started(admin, named=cast.admin.email)
    admin.get(f"/reviews/{second.pk}/")
    assert queries(admin, f"/reviews/{second.pk}/") <= one + 1  # the names of admins are one query
    whole = admin.get(f"/reviews/{second.pk}/?show=all")
    after = admin.get(attribute(the(whole, "a", rel="next"), "href"))
    assert [len(elements(page, "tr", data_item="")) for page in (whole, after)] == [25, 6]
    assert InboxItem.objects.filter(user=cast.admin, state="task").count() == 2, "one task for each review"
