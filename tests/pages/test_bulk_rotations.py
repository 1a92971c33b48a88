"""Start rotations: from the selected keys to the tasks, and from each place that shows a task to the rotation."""

from __future__ import annotations

import io
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.actions.bulk.carry_out import carry_out_bulk
from keys.jobs.reminders import remind_owners
from keys.models import ApiKey, Delivery, Rotation, RotationTask
from keys.selectors.bulk.selection import running_lists
from tests.cast import a_live_key, signed_in
from tests.pages.helpers import attribute, elements, events, links, names, reason_beside, rows, text
from tests.pages.journey import answers
from tests.pages.test_calendar import new_address, unfolded
from tests.support.cases import in_one_test

DAY = timedelta(days=1)
FAR = 300 * DAY
PASSWORD = "a long enough password 1"


@pytest.fixture
def keys(cast, sandbox) -> list[ApiKey]:
    columns = {"accountable": cast.owner, "expires_at": timezone.now() + FAR}
    return [a_live_key(sandbox, cast.admin, name=f"Key {number}", **columns)[0] for number in range(4)]


def work() -> None:
    for selection_id in running_lists():
        carry_out_bulk(selection_id)


def period(days: int = 14) -> dict[str, str]:
    today = timezone.localdate()
    return {"first": f"{today + DAY}", "last": f"{today + days * DAY}"}


@in_one_test("mode", ["direct", "assisted"])
def test_the_whole_way_from_the_inventory_to_the_rotation(cast, keys, settings, mode):
    settings.CERBY_ISSUE_MODE = mode
    admin, owner = signed_in(cast.admin), signed_in(cast.owner)
    sent = {"key": [str(key.pk) for key in keys], "act": "rotate"}
    address = admin.post("/keys/bulk/select/", sent)["Location"]
    form = admin.get(address)
    assert "Start rotations of 4 API keys" in text(form)
    assert [attribute(each, "value") != "" for each in elements(form, "input", type="date")] == [True] * 2
    start = f"{address.partition('?')[0]}start/"
    refused = admin.post(start, {"act": "rotate", "first": "2020-01-01", "last": "2020-02-01"})
    assert (refused.status_code, reason_beside(refused, "id_first")) == (
        422, "This day has passed. Choose today or a later day.",
    )  # fmt: skip
    assert admin.post(start, {"act": "rotate", **period()}).status_code == 302
    assert "0 of 4 keys processed" in text(admin.get(address))
    work()
    shown = text(admin.get(address))
    assert "4 of 4 keys processed. Done: 4." in shown
    assert "Owner Person is asked to rotate it by" in shown
    task = RotationTask.objects.select_related("key").order_by("due_on", "key_id")[0]
    rotate = f"/keys/{task.key_id}/rotate/"
    words = f"Rotate “{task.key.name}” by {task.due_on.day} {task.due_on:%B %Y}."
    assert links(owner.get("/inbox/"))[words] == rotate
    assert rotate in links(owner.get("/keys/mine/")).values()
    assert "To be rotated by" in text(owner.get(f"/keys/{task.key_id}/"))
    lines = unfolded(owner.get(new_address(owner)).content)
    at = lines.index(f"SUMMARY:Rotate {task.key.name}")
    assert lines[at - 1] == f"DTSTART;VALUE=DATE:{task.due_on:%Y%m%d}"
    assert f"URL:http://testserver{rotate}" in lines
    [mail] = Delivery.objects.filter(channel=None)
    assert (mail.to, mail.text.count("/rotate/")) == ([cast.owner.email], 4)
    RotationTask.objects.filter(pk=task.pk).update(due_on=timezone.localdate() - DAY)
    assert names(admin.get("/keys/?needs=rotation-late")) == [task.key.name]
    assert len(names(admin.get("/keys/?needs=rotation-asked"))) == 4
    assert "/keys/?needs=rotation-late" in links(admin.get("/")).values()

    no_tab_key = {"tab_key": None} if mode == "assisted" else {}
    new = answers(because="scheduled", overlap="3d", name="The next one", **no_tab_key)
    assert owner.post(rotate, new).status_code == 302
    assert Rotation.objects.get().old_id == task.key_id
    assert words not in links(owner.get("/inbox/"))
    assert "To be rotated by" not in text(owner.get(f"/keys/{task.key_id}/"))
    assert RotationTask.objects.count() == 3


def test_the_tasks_of_selected_keys_are_withdrawn(cast, keys):
    admin = signed_in(cast.admin)
    sent = {"key": [str(key.pk) for key in keys], "act": "rotate"}
    for act, entries in (("rotate", period()), ("unask", {})):
        address = admin.post("/keys/bulk/select/", sent)["Location"].partition("?")[0]
        assert "Withdraw rotation tasks" in links(admin.get(f"{address}?act=rotate"))
        assert admin.get(f"{address}?act={act}").status_code == 200
        admin.post(f"{address}start/", {"act": act, **entries})
        assert RotationTask.objects.count() == (0 if act == "rotate" else 4)
        work()
    assert not RotationTask.objects.exists()
    assert "4 API keys no longer asked to be rotated" in text(admin.get("/activity/"))


def test_only_admins_start_rotations(cast, keys):
    user = signed_in(cast.user)
    a_key = ApiKey.objects.filter(pk=keys[0].pk)
    a_key.update(owner=cast.user)
    sent = {"key": [str(keys[0].pk)], "act": "rotate"}
    address = user.post("/keys/bulk/select/", sent)["Location"].partition("?")[0]
    assert "Start rotations" not in text(user.get(address))
    assert user.post(f"{address}start/", {"act": "rotate", **period()}).status_code in {403, 409}
    assert not RotationTask.objects.exists()


def test_a_reminder_and_a_review_lead_to_the_rotation(cast, sandbox):
    soon = timezone.now() + 3 * DAY
    columns = {"expires_at": soon, "created_at": timezone.now() - 9 * DAY, "review_on": timezone.localdate()}
    key, _ = a_live_key(sandbox, cast.admin, name="Soon", **columns)
    rotate = f"/keys/{key.pk}/rotate/"
    remind_owners()
    admin = signed_in(cast.admin)
    [row] = rows(admin.get("/inbox/"))
    assert "Rotate it" in row["Actions"]
    for page in ("/inbox/", "/keys/mine/", f"/keys/{key.pk}/", f"/keys/{key.pk}/edit/"):
        assert rotate in links(admin.get(page)).values(), page
    assert admin.get(rotate).status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(accountable=cast.user)
    for page in ("/inbox/", "/keys/mine/", f"/keys/{key.pk}/"):
        assert rotate not in links(signed_in(cast.user).get(page)).values(), "this person may not rotate"


@pytest.fixture
def command(monkeypatch, cast):
    cast.admin.set_password(PASSWORD)
    cast.admin.save()

    def run(*lines: str, **options: str) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        out = io.StringIO()
        days = period()
        arguments = ["--as", cast.admin.email, "--from", days["first"], "--to", days["last"]]
        arguments += [word for name, value in options.items() for word in (f"--{name}", value)]
        call_command("start_rotations", *arguments, stdout=out)
        return out.getvalue()

    return run


def test_the_command_does_the_same(command, keys, cast):
    with pytest.raises(CommandError, match="Nothing was started"):
        command("wrong", "4")
    with pytest.raises(CommandError, match="not the number"):
        command(PASSWORD, "5")
    assert not RotationTask.objects.exists()
    said = command(
        PASSWORD, "3", filter="q=Key&scope=read:users&sort=name&owner=admin@contenzilla.example", confirm="4"
    )
    assert "4 of 4 keys processed. Done: 4." in said
    assert RotationTask.objects.filter(assigned=cast.owner).count() == 4


def test_the_activity_names_the_bulk_action_of_an_event_and_links_to_its_start(cast, keys):
    admin = signed_in(cast.admin)
    sent = {"key": [str(key.pk) for key in keys[:2]], "act": "rotate"}
    address = admin.post("/keys/bulk/select/", sent)["Location"].partition("?")[0]
    admin.post(f"{address}start/", {"act": "rotate", **period()})
    work()
    list_id = address.split("/")[3]
    [start] = events(type="bulk:start")
    asked = events(type="key:ask-rotation")[0]
    named = "bulk action, start rotations (2 keys)"
    for page in ("/activity/", "/activity/?type=key:ask-rotation", f"/keys/{asked.key_id}/"):
        shown = admin.get(page)
        assert links(shown)[named] == f"/activity/{start.uid}/", page
        assert list_id not in text(shown), page
    assert links(admin.get(f"/activity/{asked.uid}/"))[named.capitalize()] == f"/activity/{start.uid}/"
    assert "Part of" not in text(admin.get(f"/activity/{start.uid}/"))
