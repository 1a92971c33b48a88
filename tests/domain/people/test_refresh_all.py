"""Update everybody from Cerby: people lose access at once, but no wrong list locks people out."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.actions.people.refresh import refresh_person
from keys.actions.people.refresh_all import read_everyone, refresh_everyone
from keys.jobs.schedule import make_rows
from keys.jobs.tasks import people as people_job
from keys.models import ApiKey, AuditEvent, DroppedValue, PeriodicJob, User
from keys.rules.errors import Conflict, NotAllowed
from keys.rules.permissions import Role
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.cerby_alerts import cerby_alerts
from tests.cast import a_key, actor, signed_in
from tests.domain.people.test_refresh import changes
from tests.support.background import asked
from tests.support.bad_server import data, http, listing
from tests.support.bad_server import user as resource


def test_everybody_is_read_at_once_on_demand(cast, sandbox, workspace):
    sandbox.set_person(workspace.ids["user"], role="workspace_admin")
    sandbox.set_person(workspace.ids["guest"], status="disabled")

    assert refresh_everyone(actor(cast.owner)) == 6

    assert User.objects.get(pk=cast.user.pk).role == Role.ADMIN
    assert not User.objects.get(pk=cast.guest.pk).is_active
    assert AuditEvent.objects.get(type="roles:refresh").details == {"count": 6}


def test_other_roles_may_not_read_everybody(cast, workspace):
    with pytest.raises(NotAllowed):
        refresh_everyone(actor(cast.user))
    assert workspace.sandbox.journal() == []


def left(key: ApiKey) -> bool:
    return ApiKey.objects.get(pk=key.pk).owner_left_at is not None


def test_keys_of_people_who_left_are_marked_until_they_come_back(cast, sandbox, workspace):
    disabled, forgotten, stays = a_key(cast.guest), a_key(cast.user), a_key(cast.owner)
    sandbox.set_person(workspace.ids["guest"], status="disabled")
    User.objects.filter(pk=cast.user.pk).update(cerby_id=uuid.uuid4())

    assert read_everyone() == 5

    assert (left(disabled), left(forgotten), left(stays)) == (True, True, False)
    assert [(email, after["in the workspace"]) for email, _, after in changes()] == [
        (cast.guest.email, "no"),
        (cast.user.email, "no"),
    ]

    sandbox.set_person(workspace.ids["guest"], status="live")
    read_everyone()
    assert (left(disabled), left(forgotten)) == (False, True)
    assert len(changes()) == 3


def test_a_key_that_gets_an_owner_who_has_left_is_marked(cast, sandbox, workspace):
    sandbox.set_person(workspace.ids["guest"], status="disabled")
    read_everyone()
    key = a_key(User.objects.get(pk=cast.guest.pk))
    assert not left(key)
    read_everyone()
    assert left(key)
    ApiKey.objects.filter(pk=key.pk).update(owner=cast.owner)
    read_everyone()
    assert not left(key)


def test_a_person_missing_from_the_list_has_not_left(cast, sandbox):
    sandbox.clock.offset += timedelta(hours=1)
    new = sandbox.add_person(
        email="new@contenzilla.example", first_name="New", last_name="Person", role="workspace_admin"
    )
    User.objects.filter(pk=cast.guest.pk).update(cerby_id=uuid.UUID(new))
    sandbox.faults.set([{"fault": "list-stale", "route": "GET /api/v1/users"}])
    assert read_everyone() == 5
    assert not User.objects.exclude(left_at=None).exists()


def everyone() -> list[dict]:
    columns = ("email", "name", "role", "is_active", "left_at", "role_checked_at")
    return list(User.objects.order_by("pk").values(*columns))


@pytest.fixture
def many(cast, sandbox) -> list[str]:
    """Add ninety-four people who may sign in, a hundred in all. Return their Cerby ids."""
    now, ids = timezone.now(), []
    for number in range(94):
        email = f"person-{number}@contenzilla.example"
        ids.append(sandbox.add_person(email=email, first_name="A", last_name="Person", role="workspace_user"))
    User.objects.bulk_create(
        User(
            email=f"person-{number}@contenzilla.example", name="A Person", cerby_id=uuid.UUID(id_), role=Role.USER,
            role_checked_at=now, added_at=now, is_active=True,
        )
        for number, id_ in enumerate(ids)
    )  # fmt: skip
    return ids


def test_a_disabled_and_a_demoted_person_lose_access_to_their_open_sessions(cast, sandbox, workspace):
    disabled, demoted = signed_in(cast.admin), signed_in(cast.super_admin)
    sandbox.set_person(workspace.ids["admin"], status="disabled")
    sandbox.set_person(workspace.ids["super_admin"], role="workspace_user")
    make_rows()
    people_job.func()
    assert PeriodicJob.objects.get(name="people").summary == "People read from Cerby: 6"
    assert disabled.get("/keys/").status_code == 302
    assert demoted.get("/keys/").status_code == 403
    assert {email for email, _, _ in changes()} == {cast.super_admin.email, cast.admin.email}


def test_up_to_one_in_twenty_may_be_disabled_in_one_run_and_no_more(many, sandbox):
    for id_ in many[:5]:
        sandbox.set_person(id_, status="disabled")
    assert read_everyone() == 100
    assert User.objects.filter(is_active=True).count() == 95
    for id_ in many[5:10]:
        sandbox.set_person(id_, status="disabled")
    before = everyone()
    with pytest.raises(Conflict, match="5 of 95 people would lose their access"):
        read_everyone()
    assert everyone() == before
    stopped = AuditEvent.objects.get(type="roles:stop")
    assert (stopped.outcome, stopped.details) == ("failed", {"losing": 5, "people": 95})


def test_the_limit_does_not_apply_to_a_persons_request(many, cast, sandbox):
    for id_ in many[:20]:
        sandbox.set_person(id_, status="disabled")
    with pytest.raises(Conflict):
        read_everyone()
    assert refresh_everyone(actor(cast.owner)) == 100
    assert User.objects.filter(is_active=True).count() == 80


@pytest.mark.parametrize("how", ["by the job", "by hand"])
def test_an_empty_list_locks_nobody_out(cast, cerby_that, how):
    """This also holds if there are no more people than the limit allows."""
    User.objects.exclude(pk__in=[cast.owner.pk, cast.admin.pk]).update(is_active=False)
    me, before = actor(cast.owner), everyone()
    cerby_that(listing([]))
    with pytest.raises(Conflict, match="no admin would be left"):
        read_everyone() if how == "by the job" else refresh_everyone(me)
    assert everyone() == before


def test_roles_under_other_names_lock_nobody_out(cast, sandbox, workspace, settings):
    """Cerby's role identifiers may change. Its lists are for admins, so the portal's key is another admin's."""
    email, now = "robot@contenzilla.example", timezone.now()
    sandbox.add_person(email=email, first_name="A", last_name="Robot", role="workspace_admin")
    times = {"created_at": now, "expires_at": now + timedelta(days=1)}
    _, settings.CERBY_API_KEY = sandbox.add_key(
        owner_email=email, name="Key portal", scopes=["read:users"], **times
    )
    for name in ("owner", "super_admin", "admin"):
        sandbox.set_person(workspace.ids[name], role="workspace_user")
    before = everyone()
    with pytest.raises(Conflict, match="no admin would be left"):
        refresh_everyone(actor(cast.owner))
    assert everyone() == before


def test_while_cerby_is_down_nothing_changes(cast, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    before = everyone()
    make_rows()
    people_job.func()
    assert PeriodicJob.objects.get(name="people").succeeded is False
    assert everyone() == before


def test_unchanged_people_cost_a_query_and_a_call_per_page_and_no_event(many, sandbox):
    read_everyone()  # stores Cerby's identifiers of the roles
    with CaptureQueriesContext(connection) as seen:
        read_everyone()
    statements = [query["sql"] for query in seen if "SAVEPOINT" not in query["sql"]]
    assert (
        len(statements) == 1 + 1 + 1 + 2 + 1 + 4
    )  # rows, missing people, dropped values, two counts, confirmations, keys
    assert len(asked(sandbox, "GET")) == 2
    assert not AuditEvent.objects.exists()
    assert User.objects.filter(role_checked_at__lt=timezone.now() - timedelta(minutes=1)).count() == 0


@pytest.mark.parametrize("broken", [{"email": None}, {"isGuest": None}, {"status": 7}])
def test_an_unreadable_value_of_one_person_does_not_stop_the_others(cast, cerby_that, broken):
    """The person keeps what the portal knew, and their role counts as confirmed only if Cerby confirms it."""
    User.objects.update(role_checked_at=None)
    listed = [
        resource(
            person.email, str(person.cerby_id), role=person.cerby_role,
            firstName=person.name.split()[0], lastName="Person",
        )
        for person in User.objects.all()
    ]  # fmt: skip
    [one] = [each for each in listed if each["id"] == str(cast.admin.cerby_id)]
    one["attributes"] |= broken
    [other] = [each for each in listed if each["id"] == str(cast.user.cerby_id)]
    other["attributes"] |= {"role": "workspace_admin"}
    cerby_that(listing(listed))
    assert read_everyone() == len(listed)
    admin, user = User.objects.get(pk=cast.admin.pk), User.objects.get(pk=cast.user.pk)
    assert (admin.email, admin.role, admin.is_active) == (cast.admin.email, Role.ADMIN, True)
    assert (admin.role_checked_at is None) == ("email" not in broken)
    assert user.role == Role.ADMIN
    [dropped] = DroppedValue.objects.all()
    assert (dropped.attribute, dropped.example) == (next(iter(broken)), cast.admin.cerby_id)


@pytest.mark.parametrize("broken", [{"id": 7}, {"type": "robot"}, {"attributes": None}])
def test_a_person_who_cannot_be_read_does_not_stop_the_others_and_keeps_their_role(cast, cerby_that, broken):
    people = [resource(each.email, str(each.cerby_id), role=each.cerby_role) for each in User.objects.all()]
    [one] = [each for each in people if each["id"] == str(cast.owner.cerby_id)]
    [other] = [each for each in people if each["id"] == str(cast.user.cerby_id)]
    other["attributes"] |= {"role": "workspace_admin"}
    cerby_that(listing([each | broken if each is one else each for each in people]), data(one))
    assert read_everyone() == len(people) - 1
    assert User.objects.get(pk=cast.user.pk).role == Role.ADMIN
    owner = User.objects.get(pk=cast.owner.pk)
    assert (owner.role, owner.is_active) == (Role.OWNER, True)
    [alert] = [each for each in cerby_alerts(timezone.now()) if each.kind == AlertKind.VALUE_UNREADABLE]
    assert (
        "“id” of a person cannot be read in one resource. The portal goes on without that person."
        in alert.words
    )


def test_an_answer_about_one_person_that_cannot_be_used_does_not_stop_the_others(cast, cerby_that):
    """The list lacks two people, so that each is asked for."""
    people = [resource(each.email, str(each.cerby_id), role=each.cerby_role) for each in User.objects.all()]
    lacking = {str(cast.guest.cerby_id), str(cast.login_only.cerby_id)}
    User.objects.filter(pk__in=[cast.guest.pk, cast.login_only.pk]).update(is_active=False)
    server = cerby_that(listing([each for each in people if each["id"] not in lacking]), http(200, "{}"))
    read_everyone()
    assert len(server.requests) == 3


def test_a_guest_flag_that_cannot_be_read_gives_no_new_rights(cast, cerby_that):
    listed = resource(cast.user.email, str(cast.user.cerby_id), role="workspace_owner", isGuest=None)
    cerby_that(data(listed))
    assert refresh_person(cast.user).role == Role.GUEST
