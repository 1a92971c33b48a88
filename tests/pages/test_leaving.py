"""Test the page If … leaves: the keys, the plans, and the offboarding pack."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from keys.actions.leavers.plan import plan_keys
from keys.models import ApiKey, LeaverPlan, User
from keys.rules.folded_text import fold
from keys.rules.leaving import Plan
from tests.cast import a_key, actor, with_a_life
from tests.pages.helpers import (
    attribute,
    csv_rows,
    elements,
    events,
    links,
    messages_of,
    names,
    queries,
    reason_beside,
    rows,
    text,
    the,
)
from tests.support.packs import unpacked, verify
from tests.support.signed_record import seal_and_sign


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def address(person: User) -> str:
    return f"/people/{person.pk}/leaving/"


def ticks(response) -> set[str]:
    boxes = [box for box in elements(response, "input") if attribute(box, "type") == "checkbox"]
    return {attribute(box, "value") for box in boxes if ("checked", None) in box.attributes}


def plans(response) -> dict[str, str]:
    return {row["Name"]: row["Plan"] for row in rows(response)}


def test_the_page_works_for_anybody_at_any_time(admin, cast):
    a_key(cast.user, name="Owned")
    a_key(cast.owner, name="Answered", **ApiKey.accountable_columns(cast.user))
    a_key(cast.owner, name="Backed", backup=cast.user)
    person = admin.get(f"/people/{cast.user.pk}/")
    assert links(person)["If User Person leaves"] == address(cast.user)
    page = admin.get(address(cast.user))
    assert plans(page) == {"Owned": "No plan"}
    assert {"Owned", "Answered", "Backed"} <= links(page).keys()
    assert "Owns in Cerby Not known" in text(page)


def test_selected_keys_are_planned_together_and_the_input_is_kept_if_it_is_wrong(admin, cast, workspace):
    one, two, three = (a_key(cast.user, name=name) for name in ("One", "Two", "Three"))
    wrong = {"key": [one.pk, two.pk], "decision": "keep", "until": timezone.localdate() + timedelta(days=99)}
    refused = admin.post(address(cast.user), wrong)
    assert refused.status_code == 422
    assert "next 30 days" in reason_beside(refused, "id_until")
    assert refused.content.decode().count(" checked") == 2
    wanted = {"key": [one.pk, two.pk], "decision": "rotate", "to": cast.admin.email}
    done = admin.post(address(cast.user), wanted, follow=True)
    assert "recorded for 2 keys" in messages_of(done)
    said = plans(done)
    assert said["Three"] == "No plan"
    assert said["One"].startswith("Rotate to Admin Person")
    assert len(events(type="key:plan")) == 2
    [header, *lines] = csv_rows(admin.get(f"/keys/export/?owner={cast.user.email}"))
    at = header.index("If the owner leaves")
    assert sorted(line[at] for line in lines) == ["", "Rotate to another owner", "Rotate to another owner"]
    assert admin.post(address(cast.user), {"decision": "remove"}).status_code == 422, "no key is selected"
    assert three.name in plans(admin.get(address(cast.user)))


def test_all_keys_or_those_without_a_plan_are_selected_without_javascript(admin, cast):
    planned, other = a_key(cast.user, name="Planned"), a_key(cast.user, name="Other")
    admin.post(address(cast.user), {"key": [planned.pk], "decision": "remove"})
    page = admin.get(address(cast.user))
    assert ticks(page) == set()
    offered = links(page)
    assert ticks(admin.get(address(cast.user) + offered["all"])) == {str(planned.pk), str(other.pk)}
    assert ticks(admin.get(address(cast.user) + offered["those without a plan"])) == {str(other.pk)}
    back = admin.post(address(cast.user), {"key": [planned.pk], "decision": "none"}, follow=True)
    assert plans(back) == {"Planned": "No plan", "Other": "No plan"}


def test_people_who_may_own_the_new_keys_are_suggested(admin, cast):
    team = {"team": "Payments", "team_order": fold("Payments")}
    a_key(cast.user, backup=cast.admin, **ApiKey.accountable_columns(cast.guest), **team)
    a_key(cast.super_admin, **team)
    page = admin.get(address(cast.user))
    assert [attribute(one, "value") for one in elements(page, "option")][-2:] == [
        cast.admin.email,
        cast.super_admin.email,
    ], "a guest may not generate keys"
    assert "Admin Person (admin@contenzilla.example), backup of 1 key" in text(page)
    assert "owns keys of the same team" in text(page)


def test_the_next_owner_stays_known_while_a_key_is_kept(admin, cast):
    key = a_key(cast.user)
    admin.post(address(cast.user), {"key": [key.pk], "decision": "rotate", "to": cast.owner.email})
    soon = timezone.localdate() + timedelta(days=3)
    plan_keys(actor(cast.admin), cast.user.pk, [key.pk], Plan("keep", until=soon))
    page = admin.get(address(cast.user))
    assert attribute(the(page, id="id_to"), "value") == cast.owner.email
    User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    page = admin.get(address(cast.user))
    assert "value" not in dict(the(page, id="id_to").attributes)


def test_only_the_next_owner_is_led_to_the_rotation(admin, browser_of, cast):
    key = a_key(cast.user, owner_left_at=timezone.now())
    admin.post(address(cast.user), {"key": [key.pk], "decision": "rotate", "to": cast.owner.email})
    rotate = f"/keys/{key.pk}/rotate/"
    assert rotate not in links(admin.get(address(cast.user))).values()
    owner = browser_of("owner")
    assert links(owner.get(address(cast.user)))["Rotate it now"] == rotate
    page = owner.get(rotate)
    assert ("selected", None) in the(page, "option", value="leaver").attributes
    assert "let User Person rotate" not in text(page)


def test_an_address_of_a_form_says_so_if_it_is_opened(admin, cast):
    response = admin.get(f"{address(cast.user)}pack/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "Only a form of the portal may use this address." in text(response)


def test_an_open_task_is_on_the_dashboard_in_the_inventory_and_on_my_keys(admin, browser_of, cast):
    key = a_key(cast.guest, owner_left_at=timezone.now(), **ApiKey.accountable_columns(cast.user))
    since = timezone.now() - timedelta(days=8)
    LeaverPlan.objects.create(key=key, person=cast.guest, assigned=cast.user, open_since=since)
    assert names(admin.get("/keys/?needs=leaver-late")) == [key.name]
    assert names(admin.get("/keys/?needs=leaver-undecided&sort=name")) == [key.name]
    assert "Owner left, no plan for a week" in text(admin.get("/"))
    mine = browser_of("user").get("/keys/mine/")
    assert "Its owner, Guest Person, has left" in text(mine)
    page = browser_of("user").get(address(cast.guest))
    assert page.status_code == 200
    assert "Task of User Person" in text(page)


def test_the_page_costs_the_same_for_many_keys(admin, cast):
    a_key(cast.user)
    few = queries(admin, address(cast.user))
    for _ in range(10):
        LeaverPlan.objects.create(
            key=a_key(cast.user), person=cast.user, decision="remove", decided_by=cast.admin
        )
    assert queries(admin, address(cast.user)) == few


@pytest.mark.usefixtures("own_audit_files")
def test_the_offboarding_pack_verifies_and_shows_a_changed_plan(admin, cast, workspace, tmp_path):
    key, other = with_a_life(a_key(cast.user, name="One")), with_a_life(a_key(cast.user, name="Two"))
    admin.post(address(cast.user), {"key": [key.pk], "decision": "remove"})
    admin.post(address(cast.user), {"key": [key.pk], "decision": "rotate", "to": cast.owner.email})
    seal_and_sign()
    answer = admin.post(f"{address(cast.user)}pack/")
    pack = b"".join(answer)
    file = tmp_path / "offboarding.zip"
    file.write_bytes(pack)
    status, report = verify(file)
    assert (status, report[-1]) == (0, "No problems found."), report
    with zipfile.ZipFile(io.BytesIO(pack)) as packed:
        found = [json.loads(line) for line in packed.read("offboarding.jsonl").splitlines()]
        sheet, readme = (packed.read(name).decode() for name in ("offboarding.csv", "README.txt"))
    assert {row["name"]: row["event"] and row["event"]["decision"] for row in found} == {
        "One": "rotate",
        other.name: None,
    }
    assert cast.owner.email in sheet
    assert sheet.splitlines()[1].startswith(f'"{cast.user.email}"')
    assert f"Name: {cast.user.name}\nEmail: {cast.user.email}\nDisabled in Cerby: not yet" in readme
    [event] = events(type="evidence:export")
    assert event.details["person"] == str(cast.user.pk)
    folder = unpacked(pack, tmp_path / "open")
    lines = Path(folder / "offboarding.jsonl").read_text().replace('"rotate"', '"remove"')
    Path(folder / "offboarding.jsonl").write_text(lines)
    status, report = verify(folder)
    assert status == 1
    assert f"offboarding.jsonl has another plan for {key.pk} than the events." in report
