"""Read people and roles from an imitation of the published API."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from keys import cerby
from keys.actions.people.add import add_person
from keys.actions.people.refresh_all import read_everyone
from keys.jobs.tasks import people as people_job
from keys.models import AuditEvent, DroppedValue, PeriodicJob, User
from keys.rules.permissions import Role
from keys.selectors.health.alert_kinds import AlertKind
from tests.cast import said_by, signed_in
from tests.cerby.conftest import alerts, user_of


@pytest.mark.parametrize(
    ("last_activity", "meant"),
    [
        ("2024-01-04T15:36:54", datetime(2024, 1, 4, 15, 36, 54, tzinfo=UTC)),
        ("2024-09-05T20:46:14.357000", datetime(2024, 9, 5, 20, 46, 14, 357_000, tzinfo=UTC)),
        ("2025-03-25T21:30:29.423697+00:00", datetime(2025, 3, 25, 21, 30, 29, 423_697, tzinfo=UTC)),
        (None, None),
    ],
)
def test_people_can_be_added_whatever_form_their_times_have(published, last_activity, meant):
    ada = user_of(published, "ada.admin@acme.example")
    ada["attributes"]["lastActivity"] = last_activity
    assert cerby.connect().person_by_email("ada.admin@acme.example").last_activity == meant
    out = StringIO()
    call_command("add_person", "ada.admin@acme.example", stdout=out)
    assert "may sign in as Admin." in out.getvalue()
    assert read_everyone() == 1
    assert alerts() == {}


def test_users_without_last_activity_are_read(published):
    """Cerby publishes two versions of the attributes; one lacks it."""
    for user in published.users:
        del user["attributes"]["lastActivity"]
    assert len(list(cerby.connect().people())) == 3


def test_a_value_that_cannot_be_read_costs_the_value_but_not_the_person(published, printed):
    add_person("ada.admin@acme.example")
    ada = user_of(published, "ada.admin@acme.example")
    ada["attributes"]["lastActivity"] = "the day before yesterday"
    PeriodicJob.objects.create(name="people", due_at=timezone.now())
    people_job.func()
    assert PeriodicJob.objects.get(name="people").succeeded
    words = alerts()[AlertKind.VALUE_UNREADABLE]
    assert "“lastActivity” of a person" in words
    assert ada["id"] in words
    [line] = [line for line in printed() if line["event"] == "cerby_value_unreadable"]
    assert (line["cerby_id"], line["attribute"]) == (ada["id"], "lastActivity")
    assert "yesterday" not in json.dumps(printed()) + words
    ada["attributes"]["lastActivity"] = None
    people_job.func()
    assert not DroppedValue.objects.exists()


def test_adding_a_person_with_an_unreadable_value_reports_it(published):
    user_of(published, "ada.admin@acme.example")["attributes"]["lastActivity"] = 7
    assert add_person("ada.admin@acme.example").role == Role.ADMIN
    assert AlertKind.VALUE_UNREADABLE in alerts()


@pytest.mark.parametrize(
    ("identifier", "role"),
    [
        ("workspace_super_admin", Role.SUPER_ADMIN),
        ("workspace_guest_admin", Role.ADMIN),
        ("workspace_login_only", Role.LOGIN_ONLY),
        ("workspace_guest_user", Role.GUEST),
        ("workspace_guest", Role.GUEST),
        ("workspace_admin", Role.ADMIN),
        ("workspace_user", Role.USER),
    ],
)
def test_known_identifiers_of_roles(published, identifier, role):
    published.add_user("new@acme.example", identifier)
    assert add_person("new@acme.example").role == role
    assert alerts() == {}


def test_an_unknown_role_is_shown_recorded_and_alerted(published):
    add_person("olivia.owner@acme.example")
    add_person("una.user@acme.example")
    user_of(published, "una.user@acme.example")["attributes"]["role"] = "workspace_emperor"
    read_everyone()
    una = User.objects.get(email="una.user@acme.example")
    assert (una.role, una.cerby_role, una.role_known) == (Role.GUEST, "workspace_emperor", False)
    changed = said_by(AuditEvent.objects.filter(type="person:change").order_by("id").last())
    assert changed["before"] == {"role": "User"}
    assert changed["after"] == {
        "role": "Guest User (Cerby says “workspace_emperor”, which the portal does not know)"
    }
    assert "“workspace_emperor”" in alerts()[AlertKind.ROLE_UNKNOWN]
    page = signed_in(User.objects.get(email="olivia.owner@acme.example")).get("/roles/").content.decode()
    assert "“workspace_emperor”: 1 person" in " ".join(re.sub("<[^>]*>", "", page).split())
    user_of(published, "una.user@acme.example")["attributes"]["role"] = "workspace_user"
    read_everyone()
    assert alerts() == {}


def test_the_roles_page_says_what_a_guest_admin_is(published):
    person = add_person("olivia.owner@acme.example")
    page = signed_in(person).get("/roles/").content.decode()
    assert "workspace_guest_admin" in page
    assert "Admin (a guest with admin rights in Cerby)" in page


def test_multi_factor_authentication_is_read_on_request(published):
    user_of(published, "ada.admin@acme.example")["attributes"]["mfaStatus"] = {
        "mfaEnabled": True,
        "mfaEnrollmentDate": "2024-01-04T15:36:54",
    }
    assert {person.mfa for person in cerby.connect().people()} == {None}
    by_email = {person.email: person.mfa for person in cerby.connect().people(with_mfa=True)}
    assert by_email["ada.admin@acme.example"] == cerby.Mfa(True, datetime(2024, 1, 4, 15, 36, 54, tzinfo=UTC))
    assert by_email["una.user@acme.example"] == cerby.Mfa(False, None)
