"""Test the list of people, and what admins do there to a person's access."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys.models import User
from keys.rules.permissions import Role
from keys.selectors import people_list
from tests.cast import a_key, email_of, said_by, signed_in
from tests.pages.helpers import (
    attribute,
    elements,
    events,
    links,
    many_keys,
    queries,
    reason_beside,
    rows,
    text,
    the,
    walk_pages,
)
from tests.support.cases import in_one_test
from tests.support.post_office import deliver

REASON = {"reason": "The laptop was stolen."}


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def many_people(count: int) -> None:
    User.objects.bulk_create(
        User(
            email=f"person-{number:05}@many.example",
            name=f"Person {number}",
            cerby_id=uuid.uuid4(),
            role=Role.USER,
        )
        for number in range(count)
    )


def emails(page) -> list[str]:
    return [row["Name"].split()[-1] for row in rows(page)] if elements(page, "tbody") else []


def test_everyone_is_listed_with_role_keys_and_last_sign_in(admin, cast):
    many_keys(cast.user, 3)
    User.objects.filter(pk=cast.user.pk).update(last_login=timezone.now())
    User.objects.filter(pk=cast.guest.pk).update(is_active=False, left_at=timezone.now())
    listed = {row["Name"].split()[-1]: row for row in rows(admin.get("/people/"))}
    assert list(listed) == sorted(
        email_of(name) for name in ("owner", "super_admin", "admin", "user", "login_only", "guest")
    )
    user, guest = listed[email_of("user")], listed[email_of("guest")]
    assert (user["Role"], user["Access"], user["API keys"]) == (
        "User",
        "May sign in",
        "3 API keys of User Person",
    )
    assert str(timezone.now().year) in user["Last sign-in"]
    assert (guest["Access"], guest["API keys"], guest["Last sign-in"]) == ("Has left", "0", "Never")
    assert links(admin.get("/people/"))["User Person"] == f"/people/{cast.user.pk}/"


@in_one_test(
    "query, found",
    [
        ("q=ÄRZ", ["arzt"]),
        ("q=super-admin", ["super-admin"]),
        ("q=USER@contenzilla.example", ["user"]),
        ("role=60", ["owner"]),
        ("access=no", ["arzt"]),
        ("keys=yes", ["user"]),
        ("keys=yes&role=60", []),
        ("left=yes", ["arzt"]),
        ("left=no&q=gu", ["guest"]),
    ],
)
def test_the_filters(admin, cast, query, found):
    a_key(cast.user)
    User.objects.create(
        email=email_of("arzt"),
        name="Ärztin Person",
        cerby_id=uuid.uuid4(),
        role=Role.USER,
        left_at=timezone.now(),
    )
    assert emails(admin.get(f"/people/?{query}")) == [email_of(name) for name in found]


def test_a_filter_that_cannot_be_used(admin):
    page = admin.get("/people/?role=7")
    assert page.status_code == 422
    assert "This filter cannot be used" in text(page)


def test_the_pages_lead_through_everyone_and_back(admin):
    many_people(110)
    pages = [emails(page) for page in walk_pages(admin, "/people/")]
    assert [len(page) for page in pages] == [50, 50, 16]
    assert [email for page in pages for email in page] == sorted(User.objects.values_list("email", flat=True))
    last = list(walk_pages(admin, "/people/"))[-1].request["QUERY_STRING"]
    back = [emails(page) for page in walk_pages(admin, f"/people/?{last}", "prev")]
    assert back == pages[::-1]


def test_a_search_stops_after_a_number_of_people_and_goes_on(admin, monkeypatch):
    monkeypatch.setattr(people_list, "MOST_CHECKED", 40)
    many_people(100)
    pages = list(walk_pages(admin, "/people/?q=person-00099"))
    assert "The search has reached person-00035@many.example" in text(pages[0])
    assert [emails(page) for page in pages] == [[], [], ["person-00099@many.example"]]
    assert "Nobody matches" not in text(pages[0])


def test_a_search_for_an_address_finds_it_at_once(admin, monkeypatch):
    monkeypatch.setattr(people_list, "MOST_CHECKED", 40)
    many_people(100)
    assert emails(admin.get("/people/?q=Person-00099@many.example")) == ["person-00099@many.example"]


def test_many_people_cost_as_many_queries_as_a_few(admin, cast):
    few = queries(admin, "/people/"), queries(admin, "/people/?q=person&keys=no")
    many_people(120)
    many_keys(cast.user, 120)
    assert (queries(admin, "/people/"), queries(admin, "/people/?q=person&keys=no")) == few
    assert "99+" in text(admin.get("/people/?keys=yes"))


def test_an_admin_ends_all_sessions_of_a_person(admin, cast):
    theirs = signed_in(cast.user)
    assert theirs.get("/roles/").status_code == 200
    User.objects.filter(pk=cast.user.pk).update(last_login=timezone.now())
    assert (
        links(admin.get(f"/people/{cast.user.pk}/"))["End all sessions"]
        == f"/people/{cast.user.pk}/sign-out/"
    )
    page = admin.post(f"/people/{cast.user.pk}/sign-out/", REASON, follow=True)
    assert "All sessions of User Person have ended" in text(page)
    assert theirs.get("/roles/").status_code == 302
    [ended] = events(type="session:revoke")
    assert (ended.actor_id, ended.reason) == (cast.admin.pk, REASON["reason"])
    assert said_by(ended) == {"person": str(cast.user.pk), "email": cast.user.email}
    assert "Sessions ended by an admin" in text(page)
    assert signed_in(User.objects.get(pk=cast.user.pk)).get("/roles/").status_code == 200


def test_an_admin_removes_a_person(admin, cast):
    theirs = signed_in(cast.user)
    page = admin.post(f"/people/{cast.user.pk}/remove/", REASON, follow=True)
    assert "User Person can no longer sign in" in text(page)
    assert theirs.get("/roles/").status_code == 302
    [removed] = events(type="person:remove")
    assert (removed.actor_id, removed.reason) == (cast.admin.pk, REASON["reason"])
    assert "Remove from the portal" not in links(page)


@pytest.mark.parametrize("act", ["remove", "sign-out"])
def test_a_reason_is_required(admin, cast, act):
    page = admin.post(f"/people/{cast.user.pk}/{act}/", {"reason": "  "})
    assert page.status_code == 422
    assert "The reason is missing" in reason_beside(page, "id_reason")
    assert events(type__in=["person:remove", "session:revoke"]) == []


@pytest.mark.parametrize("act", ["remove", "sign-out"])
@pytest.mark.parametrize("person", ["owner", "super_admin"])
def test_an_admin_does_nothing_to_a_higher_role(admin, cast, act, person):
    address = f"/people/{cast[person].pk}/{act}/"
    assert admin.post(address, REASON).status_code == 403
    assert events(type__in=["person:remove", "session:revoke"]) == []
    assert "is higher than yours" in events(type="attempt:refuse")[0].reason
    page = admin.get(f"/people/{cast[person].pk}/")
    assert not {"Remove from the portal", "End all sessions"} & set(links(page))
    assert "is higher than yours" in text(page)


def test_nobody_removes_themselves_but_anybody_ends_their_own_sessions(admin, cast):
    assert admin.post(f"/people/{cast.admin.pk}/remove/", REASON).status_code == 403
    assert "Ask another admin" in events(type="attempt:refuse")[0].reason
    assert admin.post(f"/people/{cast.admin.pk}/sign-out/", REASON).status_code == 302
    assert admin.get("/people/").status_code == 302


@pytest.mark.parametrize("address", ["/people/add/", "/people/{}/remove/", "/people/{}/sign-out/"])
def test_the_password_is_asked_for_first(cast, address):
    browser = signed_in(cast.admin, seconds_ago=3600)
    answer = browser.get(address.format(cast.user.pk))
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    browser.post(address.format(cast.user.pk), REASON | {"email": "new@contenzilla.example"})
    assert events(type__in=["person:add", "person:remove", "session:revoke"]) == []


def test_a_person_who_was_removed_meanwhile(admin, cast):
    User.objects.filter(pk=cast.user.pk).update(added_at=None, is_active=False)
    assert admin.post(f"/people/{cast.user.pk}/remove/", REASON).status_code == 409
    assert admin.post("/people/999999/sign-out/", REASON).status_code == 404


@pytest.fixture
def newcomer(cast, sandbox) -> str:
    email = "new@contenzilla.example"
    sandbox.add_person(email=email, first_name="New", last_name="Person", role="workspace_admin")
    return email


def accepts(link: str) -> bool:
    page = Client().get(link)
    return page.status_code == 200 and "no longer works" not in text(page)


def test_a_link_is_mailed_to_a_person_who_is_added(admin, newcomer, settings):
    settings.PORTAL_SENDS_MAIL = True
    page = admin.post("/people/add/", {"email": newcomer}, follow=True)
    assert "New Person may sign in" in text(page)
    assert "reset/key" not in page.content.decode()
    [letter] = deliver()
    assert letter.to == [newcomer]
    [link] = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", str(letter.body))
    assert accepts(link)
    [added] = events(type="person:add")
    assert (added.actor_name, said_by(added)["link"]) == ("Admin Person", "mailed")


def test_a_persons_page_leads_to_the_form_with_their_address(admin, cast):
    User.objects.filter(pk=cast.user.pk).update(added_at=None, is_active=False)
    address = links(admin.get(f"/people/{cast.user.pk}/"))["Let them sign in"]
    assert attribute(the(admin.get(address), id="id_email"), "value") == cast.user.email
    assert "Let them sign in" not in links(admin.get(f"/people/{cast.guest.pk}/"))


def test_without_mail_the_link_is_shown_once(admin, newcomer, settings):
    settings.PORTAL_SENDS_MAIL = False
    page = admin.post("/people/add/", {"email": newcomer.upper()})
    [link] = re.findall(r"http://testserver(/accounts/password/reset/key/[^<\s]+)", page.content.decode())
    assert "no-store" in page["Cache-Control"]
    assert accepts(link)
    again = admin.post("/people/add/", {"email": newcomer})
    assert again.status_code == 422
    assert "was added already" in reason_beside(again, "id_email")
    assert "reset/key" not in again.content.decode()
    [added] = events(type="person:add")
    assert said_by(added)["link"] == "shown"


@pytest.mark.parametrize("sends", [True, False])
def test_nobody_gets_a_link_for_a_person_who_has_a_password(admin, cast, settings, sends):
    settings.PORTAL_SENDS_MAIL = sends
    admin.post(f"/people/{cast.user.pk}/remove/", REASON)
    page = admin.post("/people/add/", {"email": cast.user.email}, follow=True)
    assert "User Person may sign in. Their earlier password works again." in text(page)
    assert "reset/key" not in page.content.decode()
    assert deliver() == []
    assert "link" not in said_by(events(type="person:add")[0])


@pytest.mark.parametrize(
    ("email", "error"),
    [("", "Enter an email"), ("nobody@contenzilla.example", "Cerby knows nobody"), ("x", "Enter an email")],
)
def test_a_person_who_cannot_be_added(admin, email, error):
    page = admin.post("/people/add/", {"email": email})
    assert page.status_code == 422
    assert error in reason_beside(page, "id_email")


def test_an_admin_adds_nobody_with_a_higher_role(admin, browser_of, sandbox, workspace, cast):
    User.objects.filter(pk=cast.user.pk).update(added_at=None, is_active=False)
    sandbox.set_person(workspace.ids["user"], role="workspace_super_admin")  # the portal still knows a User
    assert admin.post("/people/add/", {"email": cast.user.email}).status_code == 403
    assert events(type="person:add") == []
    assert browser_of("owner").post("/people/add/", {"email": cast.user.email}).status_code in {200, 302}


def test_a_demoted_admin_can_do_nothing(admin, cast, sandbox, workspace):
    User.objects.update(role_checked_at=timezone.now() - timedelta(minutes=5))
    sandbox.set_person(workspace.ids["admin"], role="workspace_user")
    assert admin.post(f"/people/{cast.user.pk}/remove/", REASON).status_code == 403
    assert events(type="person:remove") == []
