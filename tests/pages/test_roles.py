"""Test the page Roles: the current matrix, and the refresh of all roles from Cerby."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from keys.models import User
from keys.rules.permissions import MATRIX, OWNER_ONLY_MATRIX, Action, OwnKey, Role
from tests.cast import said_by
from tests.pages.helpers import elements, events, messages_of, queries, rows, text, words

ROLE_LABELS = ["Guest User", "Login-Only", "User", "Admin", "Super Admin", "Owner"]


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def refresh(browser):
    return browser.post("/roles/refresh/")


@pytest.mark.parametrize(("management", "matrix"), [("admins", MATRIX), ("owner-only", OWNER_ONLY_MATRIX)])
def test_the_matrix_on_the_page_is_the_one_in_force(admin, settings, management, matrix):
    settings.PORTAL_KEY_MANAGEMENT = management
    shown = rows(admin.get("/roles/"))
    assert len(shown) == len(Action)
    assert list(shown[0]) == ["Action", *ROLE_LABELS, "The key's owner", "Its accountable person"]
    for row, (action, rule) in zip(shown, matrix.items(), strict=True):
        assert row["Action"].lower().startswith(action.words.lower())
        assert row["The key's owner"].endswith("No") is (rule.own_key is OwnKey.DOES_NOT_MATTER)
        assert row["Its accountable person"].endswith("Yes" if rule.accountable else "No")
        for role in Role:
            may = role in rule.roles and rule.own_key is not OwnKey.IS_REQUIRED
            assert row[role.label].endswith("Yes" if may else "No"), (action, role)


def test_everyone_may_see_the_page_and_their_own_role(browser_of):
    response = browser_of("login_only").get("/roles/")
    assert "Login-Only" in text(response)
    assert "owner@contenzilla.example" in text(response)
    assert "Read roles from Cerby" not in [words(button) for button in elements(response, "button")]


def test_an_admin_reads_them_again(admin, cast, workspace):
    workspace.sandbox.set_person(workspace.ids["user"], role="workspace_admin")
    response = refresh(admin)
    assert response["Location"] == "/roles/"
    assert "6 people" in messages_of(admin.get("/roles/"))
    cast.user.refresh_from_db()
    assert cast.user.role == Role.ADMIN
    [changed] = events(type="person:change")
    assert said_by(changed) == {
        "person": str(cast.user.pk), "email": "user@contenzilla.example", "before": {"role": "User"}, "after": {"role": "Admin"},
    }  # fmt: skip
    assert events(type="roles:refresh")[0].details == {"count": 6}


def test_a_higher_role_works_at_once_and_a_lower_one_ends_at_once(browser_of, workspace):
    owner, user, other = browser_of("owner"), browser_of("user"), browser_of("admin")
    assert (user.get("/keys/").status_code, other.get("/keys/").status_code) == (403, 200)
    workspace.sandbox.set_person(workspace.ids["user"], role="workspace_admin")
    workspace.sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    refresh(owner)
    assert (user.get("/keys/").status_code, other.get("/keys/").status_code) == (200, 403)


def test_a_person_disabled_in_cerby_is_signed_out_everywhere(browser_of, workspace):
    first, second, owner = browser_of("admin"), browser_of("admin"), browser_of("owner")
    workspace.sandbox.set_person(workspace.ids["admin"], status="disabled")
    refresh(owner)
    for browser in (first, second):
        assert browser.get("/keys/")["Location"].startswith("/accounts/login/")
    assert owner.get("/keys/").status_code == 200


def test_cerby_cannot_be_reached_and_every_role_stays(admin, settings, cast):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    response = refresh(admin)
    assert response.status_code == 503
    assert "no connection could be made" in text(response)
    cast.admin.refresh_from_db()
    assert cast.admin.role == Role.ADMIN


@pytest.mark.parametrize("person", ["user", "login_only", "guest"])
def test_others_may_not_and_it_is_recorded(browser_of, person, sandbox):
    assert refresh(browser_of(person)).status_code == 403
    assert events(outcome="refused")[0].details == {"action": "roles:refresh"}
    assert sandbox.journal() == []


def test_fifty_people_cost_as_many_queries_as_six(admin):
    six = queries(admin, "/roles/")
    User.objects.bulk_create(
        User(
            email=f"person{number}@contenzilla.example",
            name=f"Person {number}",
            cerby_id=uuid.uuid4(),
            role=Role.SUPER_ADMIN,
            added_at=timezone.now(),
            is_active=True,
        )
        for number in range(50)
    )
    assert queries(admin, "/roles/") == six
