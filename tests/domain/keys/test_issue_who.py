"""Generating a key requires the role that Cerby reports at that moment, not the stored one."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys.actions.keys.issue import issue_key
from keys.models import ApiKey, User
from keys.rules.errors import NotAllowed, RoleNotConfirmed
from tests import cast as people
from tests.support.asking import a_request, events, send
from tests.support.bad_server import closed_port, data, user
from tests.support.own_database import Address


@pytest.fixture
def cast(database: Address) -> people.Cast:
    return people.people_in_portal({name: str(uuid.uuid4()) for name in people.MEMBERS})


@pytest.mark.parametrize("name", ["user", "login_only", "guest"])
def test_other_roles_are_refused_and_recorded_before_cerby_is_called(cast, cerby_that, name):
    server = cerby_that(send())
    with pytest.raises(NotAllowed):
        issue_key(people.actor(cast[name]), a_request())
    assert server.lines() == []
    assert not ApiKey.objects.exists()
    assert events() == ["attempt:refuse"]


def test_a_role_that_was_lowered_in_cerby_is_refused(cast, cerby_that):
    an_hour_ago(cast.admin)
    server = cerby_that(says_of(cast.admin, role="workspace_user"), send())
    with pytest.raises(NotAllowed, match="Your role, User"):
        issue_key(people.actor(cast.admin), a_request())
    assert [line.split()[0] for line in server.lines()] == ["GET"]


def test_a_person_who_was_disabled_in_cerby_is_refused(cast, cerby_that):
    an_hour_ago(cast.admin)
    server = cerby_that(says_of(cast.admin, status="disabled"), send())
    with pytest.raises(NotAllowed):
        issue_key(people.actor(cast.admin), a_request())
    assert [line.split()[0] for line in server.lines()] == ["GET"]
    assert not ApiKey.objects.exists()


def test_an_old_role_is_refused_if_cerby_cannot_confirm_it(cast, settings):
    settings.CERBY_BASE_URL = f"http://127.0.0.1:{closed_port()}"
    settings.CERBY_TOKEN = "token"
    User.objects.filter(pk=cast.admin.pk).update(role_checked_at=timezone.now() - timedelta(hours=25))
    with pytest.raises(RoleNotConfirmed, match="does not confirm your role"):
        issue_key(people.actor(cast.admin), a_request())
    assert not ApiKey.objects.exists()


def an_hour_ago(person: User) -> None:
    """Advance the time until the role must be read again."""
    User.objects.filter(pk=person.pk).update(role_checked_at=timezone.now() - timedelta(hours=1))


def says_of(person: User, **changes: Any) -> bytes:
    return data(user(person.email, str(person.cerby_id), **changes))
