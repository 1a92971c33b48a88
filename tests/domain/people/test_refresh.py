"""Update a person from Cerby: changes, and the stored role while Cerby is down."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import cerby
from keys.actions.people import sign_in
from keys.actions.people.accountable import known_person
from keys.actions.people.add import add_person
from keys.actions.people.refresh import (
    A_PERSON_WAITS,
    apply_upstream,
    refresh_person,
    with_confirmed_role,
)
from keys.actions.people.remove import remove_person
from keys.evidence.row_check import contradictions
from keys.models import ApiKey, AuditEvent, User
from keys.rules.errors import CerbyError, CerbyNeverReached, CerbyNotFound
from keys.rules.permissions import Role
from tests.cast import a_key, actor, record_people, said_by, signed_in
from tests.support.bad_server import Conversation, closed_port, data, serving
from tests.support.bad_server import user as resource_of_user

LEFT = ({"in the workspace": "yes", "may sign in": "yes"}, {"in the workspace": "no", "may sign in": "no"})


def checked(person: User, ago: timedelta) -> User:
    User.objects.filter(pk=person.pk).update(role_checked_at=timezone.now() - ago)
    return User.objects.get(pk=person.pk)


def unreachable(settings: Any) -> None:
    settings.CERBY_BASE_URL = f"http://127.0.0.1:{closed_port()}"


def changes() -> list[tuple[str, dict, dict]]:
    events = AuditEvent.objects.filter(type="person:change").order_by("id")
    return [tuple(map(said_by(event).get, ("email", "before", "after"))) for event in events]


def test_a_new_role_is_stored_and_recorded(cast, sandbox, workspace):
    an_hour_old = checked(cast.user, timedelta(hours=1))
    sandbox.set_person(workspace.ids["user"], role="workspace_admin")

    refresh_person(an_hour_old)

    user = User.objects.get(pk=cast.user.pk)
    assert (user.role, user.is_active) == (Role.ADMIN, True)
    assert timezone.now() - user.role_checked_at < timedelta(minutes=1)
    assert changes() == [(user.email, {"role": "User"}, {"role": "Admin"})]


def test_an_unchanged_role_is_confirmed_without_an_event(cast, sandbox):
    person = checked(cast.user, timedelta(days=3))
    assert person.as_actor().role_is_stale
    refresh_person(person)
    assert not User.objects.get(pk=person.pk).as_actor().role_is_stale
    assert not AuditEvent.objects.exists()


def test_a_person_disabled_in_cerby_is_signed_out_everywhere(cast, sandbox, workspace):
    browser = signed_in(cast.admin)
    assert browser.get("/keys/").status_code == 200
    sandbox.set_person(workspace.ids["admin"], status="disabled")

    refresh_person(cast.admin)

    assert not User.objects.get(pk=cast.admin.pk).is_active
    assert changes() == [(cast.admin.email, *LEFT)]
    answer = browser.get("/keys/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/keys/")


def test_a_person_enabled_in_cerby_may_sign_in_again(cast, sandbox, workspace):
    sandbox.set_person(workspace.ids["admin"], status="disabled")
    assert not sign_in.confirm(cast.admin)
    sandbox.set_person(workspace.ids["admin"], status="live")
    assert sign_in.confirm(User.objects.get(pk=cast.admin.pk))


def test_a_person_unknown_to_cerby_becomes_inactive(cast, sandbox):
    User.objects.filter(pk=cast.admin.pk).update(cerby_id=uuid.uuid4())
    admin = User.objects.get(pk=cast.admin.pk)
    with pytest.raises(CerbyNotFound):
        refresh_person(admin)
    assert not User.objects.get(pk=admin.pk).is_active
    assert changes() == [(admin.email, *LEFT)]
    assert not sign_in.confirm(admin)
    assert len(changes()) == 1


def test_only_people_who_were_added_become_active(cast, sandbox):
    User.objects.filter(pk=cast.guest.pk).update(added_at=None, is_active=False)
    refresh_person(User.objects.get(pk=cast.guest.pk))
    assert not User.objects.get(pk=cast.guest.pk).is_active


def test_a_new_name_and_address_reach_the_keys_of_that_person(cast, settings):
    key = a_key(cast.admin)
    answer = data(
        resource_of_user(
            "New.Address@contenzilla.example", str(cast.admin.cerby_id), firstName="Grace", lastName="H"
        )
    )
    with serving(answer) as server:
        settings.CERBY_BASE_URL = server.url
        refresh_person(cast.admin)
    owner = ApiKey.objects.values_list("owner_name", "owner_email").get(pk=key.pk)
    assert owner == ("Grace H", "new.address@contenzilla.example")


def test_a_very_long_name_is_cut(cast, settings):
    key = a_key(cast.admin)
    answer = data(resource_of_user(cast.admin.email, str(cast.admin.cerby_id), firstName="ß" * 300))
    with serving(answer) as server:
        settings.CERBY_BASE_URL = server.url
        refresh_person(cast.admin)
    assert ApiKey.objects.values_list("owner_name", "owner_order").get(pk=key.pk) == ("ß" * 200, "ss" * 200)


@pytest.mark.parametrize("role", ["workspace_emperor", "", None, "WORKSPACE_OWNER"])
def test_an_unknown_role_counts_as_guest(cast, settings, role):
    answer = data(resource_of_user(cast.owner.email, str(cast.owner.cerby_id), role=role))
    with serving(answer) as server:
        settings.CERBY_BASE_URL = server.url
        refresh_person(cast.owner)
    assert User.objects.get(pk=cast.owner.pk).role == Role.GUEST
    said = f"“{role}”, which the portal does not know" if role else "nothing readable"
    assert changes()[0][2]["role"] == f"Guest User (Cerby says {said})"


def test_while_cerby_is_down_the_stored_role_counts(cast, settings):
    unreachable(settings)
    admin = checked(cast.admin, timedelta(hours=23))
    with pytest.raises(CerbyNeverReached):
        refresh_person(admin)

    assert sign_in.confirm(admin)
    assert User.objects.get(pk=admin.pk).role_checked_at == admin.role_checked_at
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("age", [timedelta(seconds=50), timedelta(days=-1)])
def test_a_role_read_seconds_ago_is_not_read_again(cast, workspace, age):
    checked(cast.admin, timedelta(seconds=50))
    with_confirmed_role(actor(cast.admin))
    assert workspace.sandbox.journal() == []
    checked(cast.admin, timedelta(seconds=61) if age > timedelta() else age)  # a time to come proves nothing
    with_confirmed_role(actor(cast.admin))
    assert len(workspace.sandbox.journal()) == 1


def test_the_confirmed_actor_keeps_ip_and_browser(cast):
    before = actor(cast.admin)
    assert with_confirmed_role(before) == before


def test_a_person_does_not_wait_for_a_silent_cerby(cast, settings, monkeypatch):
    """The stored role counts at sign-in. Before a change, Cerby must confirm it."""
    monkeypatch.setattr("keys.actions.people.refresh.A_PERSON_WAITS", 0.3)
    monkeypatch.setattr(sign_in, "A_PERSON_WAITS", 0.3)
    admin = checked(cast.admin, timedelta(hours=1))
    with serving(Conversation.hang) as server:
        settings.CERBY_BASE_URL = server.url
        began = time.monotonic()
        assert sign_in.confirm(admin)
        with pytest.raises(CerbyError):
            with_confirmed_role(actor(admin))
        assert time.monotonic() - began < 15  # of twice 20
        assert len(server.lines()) == 2


def test_a_person_waits_for_cerby_for_three_seconds_at_most():
    assert A_PERSON_WAITS == 3


@pytest.mark.parametrize("how", ["disabled", "gone"])
def test_a_session_does_not_come_back_with_a_person_who_is_enabled_again(cast, sandbox, workspace, how):
    """The browser sends no request in between, so that only the reading of roles can end the session."""
    browser = signed_in(cast.admin)
    known_as = cast.admin.cerby_id
    if how == "gone":
        User.objects.filter(pk=cast.admin.pk).update(cerby_id=uuid.uuid4())
        with pytest.raises(CerbyNotFound):
            refresh_person(User.objects.get(pk=cast.admin.pk))
        User.objects.filter(pk=cast.admin.pk).update(cerby_id=known_as)
    else:
        sandbox.set_person(workspace.ids["admin"], status="disabled")
        refresh_person(User.objects.get(pk=cast.admin.pk))
    sandbox.set_person(workspace.ids["admin"], status="live")
    refresh_person(User.objects.get(pk=cast.admin.pk))
    assert User.objects.get(pk=cast.admin.pk).is_active
    assert browser.get("/keys/").status_code == 302
    assert signed_in(User.objects.get(pk=cast.admin.pk)).get("/keys/").status_code == 200


def test_a_reading_of_roles_ends_sessions_before_an_action_asks_for_the_role(cast, sandbox, workspace):
    browser = signed_in(cast.admin)
    checked(cast.admin, timedelta(hours=1))
    sandbox.set_person(workspace.ids["admin"], status="disabled")
    assert not with_confirmed_role(actor(cast.admin)).is_active
    sandbox.set_person(workspace.ids["admin"], status="live")
    checked(cast.admin, timedelta(hours=1))
    assert with_confirmed_role(actor(cast.admin)).is_active
    assert browser.get("/keys/").status_code == 302


def being_asked(user: User) -> Any:
    """Return a function that stores Cerby's present answer about ``user``, as a slow request does."""
    asked_at, person, as_read = (
        timezone.now(),
        cerby.connect().person(user.cerby_id),
        User.objects.get(pk=user.pk),
    )
    return lambda: apply_upstream(person, as_read, asked_at=asked_at)


def test_a_person_who_is_added_or_removed_while_cerby_answers_stays_so(cast, sandbox):
    record_people()
    store = being_asked(cast.user)
    remove_person(cast.user.email)
    assert not store().is_active
    store = being_asked(cast.user)
    add_person(cast.user.email)
    assert store().is_active
    assert User.objects.get(pk=cast.user.pk).is_active
    assert list(contradictions()) == []


def test_a_late_answer_does_not_undo_a_newer_one(cast, sandbox, workspace):
    late = being_asked(cast.admin)
    sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    refresh_person(cast.admin)
    assert late().role == Role.USER
    assert User.objects.get(pk=cast.admin.pk).role == Role.USER


def test_an_answer_counts_although_the_clock_of_another_node_is_ahead(cast, sandbox, workspace):
    sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    assert refresh_person(checked(cast.admin, -timedelta(minutes=5))).role == Role.USER


def test_a_person_who_was_deleted_and_added_again_in_cerby_is_a_new_one(cast, sandbox):
    """Cerby gives them a new id, and the portal's row of the old one has their email."""
    User.objects.filter(pk=cast.user.pk).update(cerby_id=uuid.uuid4())
    again = add_person(cast.user.email, actor(cast.owner))
    assert (again.pk, again.is_active) != (cast.user.pk, False)
    former = User.objects.get(pk=cast.user.pk)
    assert (former.is_active, former.left_at is None) == (False, False)
    assert known_person(cast.user.email) == again


def test_somebody_who_left_is_looked_up_again_before_a_key_gets_them(cast, sandbox):
    left = {"cerby_id": uuid.uuid4(), "is_active": False, "left_at": timezone.now()}
    User.objects.filter(pk=cast.user.pk).update(**left)
    found = known_person(cast.user.email)
    assert found is not None
    assert (found.left_at, found.pk == cast.user.pk) == (None, False)


def test_while_cerby_is_down_somebody_who_left_is_known(cast, settings):
    User.objects.filter(pk=cast.user.pk).update(is_active=False, left_at=timezone.now())
    unreachable(settings)
    assert known_person(cast.user.email) == cast.user
