"""Test bulk actions: select keys in two steps, act on the frozen list, and try again with what is left."""

from __future__ import annotations

import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from keys.actions.bulk import carry_out as module
from keys.actions.bulk import one_key
from keys.actions.bulk.carry_out import carry_out_bulk
from keys.actions.safeguards.quarantine import Cause, start_quarantine
from keys.jobs import tasks
from keys.models import AccessRequest, ApiKey, SelectedKey, Selection, User
from keys.rules.lifecycle import State
from keys.rules.permissions import Role
from keys.selectors.bulk.selection import running_lists
from tests.cast import a_key, a_live_key, signed_in
from tests.pages.helpers import (
    HTMX,
    csv_rows,
    elements,
    events,
    links,
    many_keys,
    messages_of,
    names,
    rows,
    text,
    the,
    words,
)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def select(browser, *keys, **more):
    return browser.post("/keys/bulk/select/", {"key": [str(key.pk) for key in keys], **more})


def started(browser, keys, act: str, **more) -> str:
    """Select ``keys``, start ``act``, and return the address of the list."""
    address = select(browser, *keys, act=act)["Location"].partition("?")[0]
    response = browser.post(f"{address}start/", {"act": act, **more})
    assert response.status_code == 302, text(response)
    return address


def work() -> None:
    for selection_id in running_lists():
        carry_out_bulk(selection_id)


def live(workspace, owner, count: int) -> list[ApiKey]:
    return [a_live_key(workspace.sandbox, owner, name=f"Stale {n:02}")[0] for n in range(count)]


def outcomes(address: str) -> dict[str, tuple[str, str]]:
    items = SelectedKey.objects.filter(selection_id=address.split("/")[3]).select_related("key")
    return {item.key.name: (item.outcome, item.sentence) for item in items}


def test_ticked_keys_are_deleted_one_by_one_with_their_own_events(admin, cast, workspace):
    keys = live(workspace, cast.user, 10)
    other = a_live_key(workspace.sandbox, cast.owner)[0]
    page = admin.get(select(admin, *keys, act="delete", query="owner=x&sort=name")["Location"])
    assert "Delete 10 API keys?" in text(page)
    assert "/keys/?owner=x&sort=name" in links(page).values()
    address = started(admin, keys, "delete")
    assert "0 of 10 keys processed" in text(admin.get(address))
    assert DBTaskResult.objects.get(queue_name="bulk").args_kwargs["args"] == [address.split("/")[3]]
    work()
    shown = admin.get(address)
    assert "10 of 10 keys processed. Done: 10." in text(shown)
    assert "Try again" not in text(shown)
    for key in keys:
        assert [event.type for event in events(key_id=key.pk)] == ["key:start-delete", "key:delete"]
    assert ApiKey.objects.get(pk=other.pk).state == "held"
    [start] = events(type="bulk:start")
    digest = start.details.pop("list_digest")
    assert len(digest) == 32
    assert start.details == {"act": "delete", "count": 10, "part_of": address.split("/")[3]}


def test_nothing_selected_does_nothing(admin, cast):
    many_keys(cast.owner, 3)
    for body in ({}, {"key": ["not an id"]}, {"key": [str(uuid.uuid4())]}):
        response = admin.post("/keys/bulk/select/", {"act": "delete", "query": "q=key", **body})
        assert response["Location"] == "/keys/?q=key"
        assert "nothing was done" in messages_of(admin.get(response["Location"]))
    assert not Selection.objects.exists()


def test_all_that_match_are_frozen(admin, cast):
    many_keys(cast.user, 74)
    a_key(cast.owner, name="Another")
    query = f"owner={cast.user.email}"
    offered = the(admin.get(f"/keys/bulk/count/?{query}", headers=HTMX))
    assert words(offered) == "Select all 74 that match"
    response = admin.post("/keys/bulk/select/", {"all": "1", "query": query})
    a_key(cast.user, name="Later")
    selection = Selection.objects.get()
    assert (selection.count, selection.has_more) == (74, False)
    assert "74 selected keys" in text(admin.get(response["Location"]))
    listed = csv_rows(admin.get(f"{response['Location']}export/"))
    assert "Later" not in {cell for row in listed for cell in row}
    assert len(listed) == 75


def test_no_part_of_a_long_filter_is_lost(admin, cast):
    """Known-bad control: without its end, the filter would match the removed key as well."""
    same = {"team": "字" * 100, "system": "字" * 100, "tags": ["字" * 40]}
    a_key(cast.owner, name="Active", **same)
    a_key(cast.owner, name="Removed", state=State.REVOKED, removed_at=timezone.now(), **same)
    query = urlencode({"team": same["team"], "system": same["system"], "tag": same["tags"][0]})
    assert len(query) > 2000
    for wanted, count in ((query, 2), (f"{query}&status=active&columns=team", 1)):
        chosen = admin.post("/keys/bulk/select/", {"query": wanted, "all": "1"})
        assert Selection.objects.latest("made_at").count == count
        assert links(admin.get(chosen["Location"]))["API keys"] == f"/keys/?{wanted}"


def test_a_list_is_bounded_and_says_so(admin, cast, monkeypatch):
    from keys.actions.bulk import freeze

    monkeypatch.setattr(freeze, "MOST_KEYS", 5)
    many_keys(cast.user, 6)
    response = admin.post("/keys/bulk/select/", {"all": "1"})
    assert Selection.objects.get().count == 5
    assert "More keys match" in text(admin.get(response["Location"]))


def test_deleting_takes_at_most_fifty_and_the_typed_number(admin, cast):
    keys = many_keys(cast.user, 51)
    address = select(admin, *keys, act="delete")["Location"]
    assert "At most 50" in text(admin.get(address))
    asked = {"act": "delete", "typed": "51", "reason": "Stale."}
    assert admin.post(f"{address.partition('?')[0]}start/", asked).status_code == 409
    address = select(admin, *keys[:11], act="delete")["Location"].partition("?")[0]
    for typed in ("", "12", "eleven"):
        refused = admin.post(f"{address}start/", {"act": "delete", "typed": typed, "reason": "Stale."})
        assert refused.status_code == 422
        assert "Type 11" in text(refused)
    assert not Selection.objects.exclude(started_at=None).exists()
    started(admin, keys[:10], "delete")
    for most, status in ((51, 409), (50, 302)):  # together with the ten, which are not done yet
        address = select(admin, *keys[10:most], act="delete")["Location"].partition("?")[0]
        answer = admin.post(
            f"{address}start/", {"act": "delete", "typed": str(most - 10), "reason": "Stale."}
        )
        assert answer.status_code == status, most
    assert Selection.objects.exclude(started_at=None).count() == 1
    assert AccessRequest.objects.get().act["kind"] == "delete"


def test_keys_that_changed_meanwhile_are_skipped_and_reported(admin, cast, workspace):
    keys = live(workspace, cast.user, 3)
    address = started(admin, keys, "delete")
    ApiKey.objects.filter(pk=keys[0].pk).update(scopes=["read:items"], last_used_at=timezone.now())
    work()
    assert outcomes(address) == {
        "Stale 00": ("skipped", "Its scopes and last use changed after it was selected."),
        "Stale 01": ("done", ""),
        "Stale 02": ("done", ""),
    }
    again = admin.post(f"{address}again/")
    assert Selection.objects.count() == 2
    assert names(admin.get(again["Location"])) == ["Stale 00"]


def test_failed_keys_stay_selected_and_can_be_tried_again(admin, cast, workspace):
    keys = live(workspace, cast.user, 2)
    address = started(admin, keys, "delete")
    faults = workspace.sandbox.faults
    faults.set([{"fault": "403", "route": f"DELETE /api/v1/api-keys/{keys[0].cerby_id}"}])
    work()
    assert {name: state for name, (state, _) in outcomes(address).items()} == {
        "Stale 00": "failed",
        "Stale 01": "done",
    }
    assert "Try again with 1 key" in text(admin.get(address))
    faults.clear()
    again = admin.post(f"{address}again/")["Location"]
    assert again.endswith("?act=delete")
    address = again.partition("?")[0]
    admin.post(f"{address}start/", {"act": "delete"})
    work()
    assert outcomes(address) == {"Stale 00": ("done", "")}


def test_it_stops_and_the_rest_stays_selected(admin, cast, workspace, monkeypatch):
    keys = live(workspace, cast.user, 3)
    address = started(admin, keys, "delete")
    act_on = one_key.act_on
    monkeypatch.setattr(module, "act_on", lambda item: (admin.post(f"{address}stop/"), act_on(item))[1])
    work()
    shown = text(admin.get(address))
    assert "Delete: stopped" in shown
    assert "Try again with 2 keys" in shown
    assert [state for state, _ in sorted(outcomes(address).values())] == ["", "", "done"]
    assert len(events(type="bulk:stop")) == 1


def test_it_stops_after_failures_in_a_row(admin, cast, workspace, settings):
    keys = live(workspace, cast.user, 5)
    address = started(admin, keys, "delete")
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    work()
    assert [state for state, _ in outcomes(address).values()].count("failed") == 3
    assert "Cerby did not answer several times in a row." in text(admin.get(address))


def test_the_role_is_read_again_for_each_key(admin, cast, workspace):
    keys = live(workspace, cast.user, 2)
    address = started(admin, keys, "delete")
    User.objects.filter(pk=cast.admin.pk).update(role=Role.USER, role_checked_at=timezone.now())
    work()
    assert {state for state, _ in outcomes(address).values()} == {"failed"}
    assert events(type="key:delete") == []


def test_a_quarantine_stops_it_and_refuses_a_new_one(admin, cast, workspace):
    keys = live(workspace, cast.user, 2)
    address = started(admin, keys, "delete")
    start_quarantine(Cause.OPERATOR, "A restore.")
    work()
    assert {state for state, _ in outcomes(address).values()} == {""}
    assert "The quarantine is on" in text(admin.get(address))
    other = select(admin, *keys, act="delete")["Location"].partition("?")[0]
    assert admin.post(f"{other}start/", {"act": "delete"}).status_code == 409


def test_in_assisted_mode_each_key_leads_to_its_steps(admin, cast, settings, workspace):
    settings.CERBY_ISSUE_MODE = "assisted"
    keys = [a_key(cast.user, cerby_id=None, origin="declared", name=f"By hand {n}") for n in range(2)]
    page = admin.get(select(admin, *keys, act="delete")["Location"])
    assert "lists for each key the steps" in text(page)
    address = started(admin, keys, "delete")
    work()
    shown = admin.get(address)
    assert "To be deleted in Cerby: 2." in text(shown)
    assert [link for name, link in links(shown).items() if name == "Show the steps"]
    assert set(ApiKey.objects.values_list("state", flat=True)) == {"revoking"}


def test_keys_are_adopted_with_one_purpose_and_a_file(admin, cast):
    keys = [a_key(cast.user, origin="discovered", purpose="", name=f"Found {n}") for n in range(3)]
    ours = a_key(cast.user, name="Ours")
    file = "Name;Purpose\nfound 0;First\n;\nFound 1;Second\n"
    address = started(
        admin,
        [*keys, ours],
        "adopt",
        purpose="All others.",
        file=SimpleUploadedFile("purposes.csv", file.encode()),
    )
    work()
    assert list(ApiKey.objects.order_by("name").values_list("purpose", flat=True)) == [
        "First",
        "Second",
        "All others.",
        ours.purpose,
    ]
    assert outcomes(address)["Ours"][0] == "skipped"
    assert len(events(type="key:adopt")) == 3


def test_a_file_of_purposes_that_fits_no_key_is_refused(admin, cast):
    key = a_key(cast.user, origin="discovered", purpose="")
    address = select(admin, key, act="adopt")["Location"].partition("?")[0]
    for content, reason in (
        ("Name,Purpose\nX,Y\n", "Line 2, “X”: it is not selected"),
        ("A,B\n", "“Purpose”"),
    ):
        file = SimpleUploadedFile("p.csv", content.encode())
        refused = admin.post(f"{address}start/", {"act": "adopt", "file": file})
        assert (refused.status_code, reason in text(refused)) == (422, True)
    assert admin.post(f"{address}start/", {"act": "adopt"}).status_code == 422
    assert Selection.objects.get().started_at is None


def test_edited_keys_keep_what_was_not_entered(admin, cast):
    keys = [a_key(cast.user, name=f"K{n}", team="Data", tags=["old"], system="BigQuery") for n in range(2)]
    page = admin.get(select(admin, *keys, act="edit")["Location"])
    assert "Fields that you leave empty are not changed." in text(page)
    entered = {"tags": "Leaked, new", "accountable": cast.owner.email, "review_on": "2030-01-31"}
    started(admin, keys, "edit", **entered)
    work()
    for key in ApiKey.objects.all():
        assert (key.team, key.system, key.tags) == ("Data", "BigQuery", ["leaked", "new", "old"])
        assert (key.accountable_email, str(key.review_on)) == (cast.owner.email, "2030-01-31")
        assert key.purpose == keys[0].purpose
    assert len(events(type="key:edit")) == 2
    address = select(admin, *keys, act="edit")["Location"].partition("?")[0]
    for wrong in ({}, {"accountable": "nobody@contenzilla.example"}):
        assert admin.post(f"{address}start/", {"act": "edit", **wrong}).status_code == 422


@pytest.mark.parametrize("forge", ["a key", "a whole list"])
def test_nothing_that_somebody_adds_in_the_database_is_deleted(admin, cast, workspace, forge):
    mine, other = live(workspace, cast.user, 2)
    address = started(admin, [mine], "delete")
    made = Selection.objects.get()
    if forge == "a key":
        SelectedKey.objects.create(selection=made, key=other, position=1)
    else:
        made.pk = uuid.uuid4()
        made.save(force_insert=True)
        SelectedKey.objects.create(selection=made, key=other, position=0)
    work()
    assert ApiKey.objects.get(pk=other.pk).state == "held"
    assert ApiKey.objects.get(pk=mine.pk).state == ("held" if forge == "a key" else "revoked")
    [stop] = events(type="bulk:stop")
    assert "The list is not the one" in stop.reason
    assert forge == "a whole list" or "The list is not the one" in text(admin.get(address))


def test_people_see_and_delete_only_their_own_keys_and_lists(browser_of, cast, workspace, admin):
    own, other = live(workspace, cast.user, 1)[0], a_key(cast.owner)
    browser = browser_of("user")
    address = started(browser, [own, other], "delete")
    assert Selection.objects.get().count == 1
    assert admin.get(address).status_code == 404
    work()
    assert ApiKey.objects.get(pk=own.pk).state == "revoked"
    assert browser.post(f"{address}start/", {"act": "remind"}).status_code == 409


def test_the_password_is_asked_before_and_leads_back_to_the_list(cast, workspace):
    browser = signed_in(cast.admin, seconds_ago=600)
    address = select(browser, a_key(cast.user), act="delete")["Location"]
    asked = browser.get(address)
    assert asked["Location"].startswith("/accounts/reauthenticate/?next=%2Fkeys%2Fbulk%2F")
    assert asked["Location"].endswith("%3Fact%3Ddelete")


def test_a_list_ends_after_a_day(admin, cast, workspace):
    keys = live(workspace, cast.user, 1)
    address = started(admin, keys, "delete")
    Selection.objects.update(made_at=timezone.now() - timedelta(hours=25))
    assert admin.get(address).status_code == 404
    work()
    assert ApiKey.objects.get().state == "held"
    assert Selection.objects.get().stop_reason


def test_an_action_starts_once(admin, cast):
    address = started(admin, [a_key(cast.user)], "remind")
    assert admin.post(f"{address}start/", {"act": "remind"}).status_code == 409
    assert len(events(type="bulk:start")) == 1


def test_a_job_takes_up_what_a_dead_worker_has_left(admin, cast):
    address = started(admin, [a_key(cast.user)], "remind")
    tasks.bulk.func()
    assert DBTaskResult.objects.filter(queue_name="bulk").count() == 1, "it still waits for a worker"
    DBTaskResult.objects.update(status="RUNNING")  # by a worker that was killed
    tasks.bulk.func()
    assert DBTaskResult.objects.ready().get(queue_name="bulk").args_kwargs["args"] == [address.split("/")[3]]


def test_the_table_offers_it(admin, cast):
    many_keys(cast.user, 3)
    page = admin.get("/keys/?sort=name")
    assert len(elements(page, "input", name="key", form="bulk")) == 3
    assert "Select all 3 that match" in text(page)
    assert rows(page)
