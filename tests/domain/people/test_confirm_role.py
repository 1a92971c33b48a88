"""Confirm the role in Cerby before an action that needs a fresh one."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys.actions.people.confirm_role import authorize_now
from keys.models import AuditEvent, Session, User
from keys.rules.errors import NotAllowed, RoleNotConfirmed
from keys.rules.permissions import MATRIX, Action, Role
from tests.cast import a_key, actor, signed_in

FRESH = [action for action, rule in MATRIX.items() if rule.fresh_role]


def unconfirmed(user: User) -> Any:
    """Let Cerby's last confirmation be an hour old."""
    User.objects.filter(pk=user.pk).update(role_checked_at=timezone.now() - timedelta(hours=1))
    user.refresh_from_db()
    return actor(user)


def unreachable(settings: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.CERBY_BASE_URL = f"http://127.0.0.1:{free.getsockname()[1]}"


def refusals() -> list[tuple[str, str]]:
    return [
        (event.details["action"], event.reason) for event in AuditEvent.objects.filter(type="attempt:refuse")
    ]


@pytest.mark.parametrize("action", [action for action in FRESH if Role.SUPER_ADMIN in MATRIX[action].roles])
def test_a_person_who_was_demoted_in_cerby_may_no_longer_act(cast, workspace, action):
    key = a_key(cast.admin)
    authorize_now(unconfirmed(cast.super_admin), action, key)
    owner = unconfirmed(cast.super_admin)
    workspace.sandbox.set_person(workspace.ids["super_admin"], role="workspace_guest_user")
    with pytest.raises(NotAllowed, match="Guest"):
        authorize_now(owner, action, key)
    assert User.objects.get(pk=cast.super_admin.pk).role == Role.GUEST


def test_a_person_who_was_promoted_in_cerby_may_act_at_once(cast, workspace):
    user = unconfirmed(cast.user)
    workspace.sandbox.set_person(workspace.ids["user"], role="workspace_admin")
    assert authorize_now(user, Action.EXPORT_INVENTORY).role == Role.ADMIN


def test_a_person_who_was_disabled_in_cerby_may_not_act_and_is_signed_out(cast, workspace):
    browser = signed_in(cast.admin)
    assert browser.get("/").status_code == 200
    admin = unconfirmed(cast.admin)
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    with pytest.raises(NotAllowed, match="no longer"):
        authorize_now(admin, Action.DELETE_KEY)
    assert browser.get("/")["Location"].startswith("/accounts/login/")
    assert not Session.objects.exists(), "and stays signed out if Cerby enables the person again"


@pytest.mark.parametrize("action", FRESH)
def test_without_cerby_the_action_is_refused_and_recorded(cast, settings, action):
    owner = unconfirmed(cast.owner)
    unreachable(settings)
    with pytest.raises(RoleNotConfirmed) as caught:
        authorize_now(owner, action, a_key(cast.admin))
    assert caught.value.status == 503
    assert ("delete it in Cerby's web app" in caught.value.sentence) is (action is Action.DELETE_KEY)
    assert refusals() == [(action.value, caught.value.sentence)]


def test_without_cerby_a_person_whose_role_forbids_the_action_hears_that(cast, settings):
    guest = unconfirmed(cast.guest)
    unreachable(settings)
    with pytest.raises(NotAllowed):
        authorize_now(guest, Action.EXPORT_INVENTORY)


def test_a_role_that_was_confirmed_within_a_minute_needs_no_cerby(cast, settings):
    unreachable(settings)
    assert authorize_now(actor(cast.admin), Action.DELETE_KEY).role == Role.ADMIN


def test_other_actions_need_no_cerby(cast, settings):
    admin = unconfirmed(cast.admin)
    unreachable(settings)
    assert authorize_now(admin, Action.NARROW_KEY) == admin


def test_a_server_that_does_not_answer_costs_little_time(cast, settings, monkeypatch):
    monkeypatch.setattr("keys.actions.people.refresh.A_PERSON_WAITS", 0.3)
    admin = unconfirmed(cast.admin)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CERBY_BASE_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings.CERBY_LIMITS = {}
        started = time.monotonic()
        with pytest.raises(RoleNotConfirmed):
            authorize_now(admin, Action.DELETE_KEY)
        assert time.monotonic() - started < 15  # of 20
