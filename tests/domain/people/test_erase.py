"""Erase a person: no personal data remains, and the log still verifies."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from keys.actions.people import erase
from keys.actions.people.erase import erase_person
from keys.actions.people.refresh import refresh_person
from keys.actions.people.refresh_all import read_everyone, refresh_everyone
from keys.audit import log
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import ApiKey, AuditEvent, SavedView, TreeHead, User
from keys.rules.errors import Conflict, NotAllowed, NotFound
from keys.rules.events import Event
from keys.rules.lifecycle import State
from keys.tlog import leaf
from tests import cast as people
from tests.cast import Cast, a_key, said_by
from tests.pages.helpers import attribute, elements
from tests.support import own_database
from tests.support.cases import in_one_test
from tests.support.own_database import Address
from tests.support.sealed_log import is_whole

ME = uuid.UUID(int=1)
GONE = ("user@contenzilla.example", "User Person", "maiden@contenzilla.example", "Maiden", "192.0.2.7")


@pytest.fixture
def somebody_who_left(cast: Cast, signed_here: Path, sandbox, workspace) -> User:
    """Create a person with events, a former name and a disabled account in Cerby."""
    User.objects.filter(pk=cast.user.pk).update(email="maiden@contenzilla.example", name="Maiden")
    log.append(Event.SIGNED_IN, actor=people.actor(User.objects.get(pk=cast.user.pk)))
    refresh_everyone(people.actor(cast.owner))  # Cerby says "User Person", user@contenzilla.example
    user = User.objects.get(pk=cast.user.pk)
    assert user.email == cast.user.email
    key = a_key(user, state=State.REVOKED, removed_at=user.role_checked_at)
    log.append(Event.KEY_CALLED, actor=people.actor(user), key=key)
    log.append(Event.KEY_REGISTERED, actor=people.actor(cast.admin), key=key, owner=user.email)
    log.append(
        Event.ACTIVITY_EXPORTED, actor=people.actor(cast.admin), filter=f"actor={user.email}, type=x", count=1
    )
    log.append(
        Event.ACTIVITY_EXPORTED, actor=people.actor(cast.admin), filter=f"actor=super{user.email}", count=1
    )
    log.append(Event.SIGNED_OUT, actor=people.actor(cast.admin))
    sandbox.set_person(workspace.ids["user"], status="disabled")
    refresh_everyone(people.actor(cast.owner))
    seal_all(ME)
    sign()
    return User.objects.get(pk=cast.user.pk)


def everything(but: Iterable[AuditEvent] = ()) -> str:
    """Return all rows except these events."""
    others = AuditEvent.objects.exclude(pk__in=[event.pk for event in but]).values()
    tables = [model for model in apps.get_app_config("keys").get_models() if model._meta.managed]
    models = [model for model in tables if model is not AuditEvent]
    return repr([*others, *(list(model._default_manager.values()) for model in models)])


def test_no_personal_data_remains_and_the_log_still_verifies(somebody_who_left, cast):
    leaves, root = (
        list(AuditEvent.objects.order_by("id").values_list("leaf", flat=True)),
        TreeHead.objects.get().root,
    )
    assert all(value in everything() for value in GONE)

    erase_person(people.actor(cast.owner), somebody_who_left.email)

    about_others = AuditEvent.objects.filter(actor_id__in=[cast.admin.pk, cast.owner.pk], salt__isnull=False)
    left = everything(but=about_others)
    for value in GONE[:4]:
        assert value not in left.replace("super" + GONE[0], "")
    assert (
        not AuditEvent.objects.filter(actor_id=somebody_who_left.pk).exclude(ip="", actor_email="").exists()
    )

    now = list(AuditEvent.objects.order_by("id").values_list("leaf", flat=True))
    assert now[: len(leaves)] == leaves
    assert TreeHead.objects.get().root == root
    seal_all(ME)
    assert sign().size == len(now)
    is_whole()


def test_their_own_views_go_and_the_views_of_others_keep_their_keys(somebody_who_left, cast, browser_of):
    key = ApiKey.objects.get(owner=somebody_who_left)
    query = urlencode(
        {"owner": f"{somebody_who_left.email} super{somebody_who_left.email}", "status": "removed"}
    )
    for number, (user, shared) in enumerate(
        [(somebody_who_left, False), (somebody_who_left, True), (cast.admin, False)]
    ):
        SavedView.objects.create(
            user=user, page="inventory", name=f"View {number}", query=query, shared=shared
        )
    erase_person(None, somebody_who_left.email)
    assert [view.name for view in SavedView.objects.order_by("name")] == ["View 1", "View 2"]
    for view in SavedView.objects.all():
        assert "superuser%40" in view.query
        page = browser_of("admin").get(f"/keys/?view={view.pk}", follow=True)
        assert [attribute(box, "value") for box in elements(page, "input", name="key")] == [str(key.pk)]


def test_they_stay_erased_while_cerby_still_lists_them_as_disabled(
    somebody_who_left, cast, sandbox, workspace
):
    erase_person(people.actor(cast.owner), somebody_who_left.email)
    before = AuditEvent.objects.count()
    read_everyone()
    refresh_person(somebody_who_left)  # as it was read before the erasure
    assert User.objects.get(pk=somebody_who_left.pk).is_erased
    assert AuditEvent.objects.count() == before

    sandbox.set_person(workspace.ids["user"], status="live")
    read_everyone()
    assert User.objects.get(pk=somebody_who_left.pk).email == cast.user.email


def test_events_that_do_not_mention_them_stay_as_they_were(somebody_who_left, cast):
    erase_person(None, somebody_who_left.email)
    kept = AuditEvent.objects.filter(actor_id=cast.admin.pk).order_by("id").values_list("type", "actor_email")
    assert list(kept) == [
        ("key:register", ""),
        ("activity:export", ""),
        ("activity:export", cast.admin.email),
        ("session:end", cast.admin.email),
    ]


def test_the_events_still_show_the_actions(somebody_who_left, browser_of, cast):
    erase_person(None, somebody_who_left.email)
    event = AuditEvent.objects.get(type="key:call")
    assert (event.actor_id, event.actor_role) == (somebody_who_left.pk, "User")
    assert said_by(AuditEvent.objects.get(type="key:register")) == {"owner": "erased"}
    page = browser_of("admin").get("/activity/").content.decode()
    assert "owner: erased" in page
    assert GONE[0] not in page.replace("super" + GONE[0], "")


def test_it_is_recorded_without_the_name(somebody_who_left, cast):
    count = erase_person(people.actor(cast.owner), somebody_who_left.email)
    event = AuditEvent.objects.latest("id")
    assert (event.type, event.actor_email) == ("person:erase", cast.owner.email)
    recorded = said_by(event)
    assert len(recorded.pop("leaves")) == count
    assert uuid.UUID(recorded.pop("part_of"))
    assert recorded == {"person": str(somebody_who_left.pk), "events": count}
    assert AuditEvent.objects.filter(salt__isnull=True).count() == count


def test_only_the_owner_may_erase(somebody_who_left, cast):
    with pytest.raises(NotAllowed):
        erase_person(people.actor(cast.super_admin), somebody_who_left.email)
    assert AuditEvent.objects.latest("id").type == "attempt:refuse"
    assert not AuditEvent.objects.filter(salt__isnull=True).exists()


def test_a_person_with_access_or_keys_is_not_erased(cast):
    with pytest.raises(Conflict, match="may still sign in"):
        erase_person(None, cast.user.email)
    User.objects.filter(pk=cast.user.pk).update(is_active=False)
    key = a_key(cast.user)
    with pytest.raises(Conflict, match="still act"):
        erase_person(None, cast.user.email)
    key.delete()
    erase_person(None, cast.user.email.upper())
    with pytest.raises(NotFound):
        erase_person(None, cast.user.email)


def test_the_command_does_the_same(somebody_who_left):
    told = io.StringIO()
    call_command("erase_person", somebody_who_left.email, stdout=told)
    assert "Erased from" in told.getvalue()
    with pytest.raises(CommandError, match="knows nobody"):
        call_command("erase_person", somebody_who_left.email)


SET_ALL = "actor_name = '', actor_email = '', ip = '', browser = '', personal = '{}', salt = NULL"
PARTS = {
    "the salt alone": "salt = NULL",
    "all but the salt": SET_ALL.replace(", salt = NULL", ""),
    "the name put in place": SET_ALL.replace("actor_name = ''", "actor_name = 'Somebody else'"),
    "with the reason": SET_ALL + ", reason = 'Nothing happened.'",
    "with the leaf": SET_ALL + ", leaf = mac",
    "with the MAC": SET_ALL + ", mac = leaf",
    "with the details": SET_ALL + ", details = '{\"a\": 1}'",
    "with the actor": SET_ALL + ", actor_id = actor_id + 1",
    "with its time": SET_ALL + ", at = '2026-01-01'",
}


@in_one_test("how", PARTS)
def test_the_database_allows_only_a_complete_erasure(cast, how):
    log.append(Event.PERSON_ADDED, actor=people.actor(cast.admin), email=cast.user.email)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        run(PARTS[how])
    run(SET_ALL)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        run(SET_ALL)  # once


def run(changes: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE keys_auditevent SET {changes}")


def test_every_column_is_either_blanked_or_kept(db):
    from importlib import import_module

    migration = import_module("keys.migrations.0003_append_only_audit")
    columns = {field.column for field in AuditEvent._meta.concrete_fields}
    assert {*migration.BLANKED, *migration.KEPT, "salt"} == columns


def test_a_hash_reveals_nothing_without_its_salt(cast):
    log.append(Event.SIGNED_OUT, actor=people.actor(cast.admin))
    event = AuditEvent.objects.get()
    said = json.loads(bytes(event.leaf))["actor"]["email"]
    assert said == leaf.hash_personal(bytes(event.salt), "actor.email", cast.admin.email)
    assert said != leaf.hash_personal(leaf.new_salt(), "actor.email", cast.admin.email)


class Died(BaseException):
    """Stands for the end of the process: no code of the portal catches it."""


def test_an_erasure_that_breaks_off_again_and_again_still_finds_every_address(
    somebody_who_left, cast, monkeypatch
):
    def die(_seconds: float) -> None:
        raise Died

    for _ in range(4):
        log.append(Event.SIGNED_OUT, actor=people.actor(somebody_who_left))
    by_admin: dict[str, Any] = {
        "actor": people.actor(cast.admin),
        "key": ApiKey.objects.get(owner=somebody_who_left),
    }
    log.append(Event.KEY_REGISTERED, **by_admin, owner="maiden@contenzilla.example")
    monkeypatch.setattr(erase, "IN_ONE_EVENT", 2)
    monkeypatch.setattr("time.sleep", die)
    counts = []
    while not User.objects.get(pk=somebody_who_left.pk).is_erased:
        with suppress(Died):
            erase_person(people.actor(cast.owner), somebody_who_left.email)
        counts.append(AuditEvent.objects.filter(salt__isnull=True).count())
        seal_all(ME)
        is_whole()
    assert counts == sorted(set(counts))  # each attempt did a part
    assert len(counts) > 2
    assert "maiden" not in everything().lower()


def test_others_can_write_while_the_log_is_searched(database: Address):
    """What they write about the person meanwhile is erased, too."""
    cast = people.people_in_portal({name: str(uuid.uuid4()) for name in people.MEMBERS})
    User.objects.filter(pk=cast.user.pk).update(is_active=False)
    written: list[str] = []

    def write(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "LIKE" in sql and not written:
            written.append(sql)
            own_database.write(database, "DELETE FROM keys_throttle")
            log.append(Event.PERSON_ADDED, actor=people.actor(cast.admin), email=cast.user.email)
        return result

    with connection.execute_wrapper(write):
        assert erase_person(None, cast.user.email) == 1
    assert written
    assert cast.user.email not in everything()
