"""Test the first sign-in of a person (`add_person`, link, password) and the reset of a lost password."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from keys.actions.people import remove
from keys.actions.people.refresh_all import read_everyone
from keys.models import User
from keys.rules.errors import Conflict
from keys.rules.permissions import Role
from tests.cast import PASSWORD, actor, email_of, said_by
from tests.pages.helpers import events, text, the, words
from tests.support.post_office import deliver

NEW_PASSWORD = "nine green bottles hang"


@pytest.fixture
def newcomer(cast, sandbox) -> str:
    """Create a person who is active in Cerby but not yet in the portal."""
    email = "New.Person@contenzilla.example"
    sandbox.add_person(email=email, first_name="New", last_name="Person", role="workspace_admin")
    return email


def add_person(email: str, *flags: str) -> str:
    out = StringIO()
    call_command("add_person", email, *flags, stdout=out)
    return out.getvalue()


def link_in(words_: str) -> str:
    found = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", words_)
    assert found
    return found[1]


def set_password(browser: Client, link: str, password: str = NEW_PASSWORD):
    assert browser.get(link).status_code == 200
    return browser.post(link, {"password1": password, "password2": password})


def sign_in(browser: Client, email: str, password: str) -> bool:
    browser.post("/accounts/login/", {"login": email, "password": password})
    return browser.get("/roles/").status_code == 200


def test_the_printed_link_sets_a_password_with_which_one_signs_in(newcomer):
    printed = add_person(newcomer)
    assert "New Person may sign in as Admin." in printed
    browser = Client()
    assert set_password(browser, link_in(printed))["Location"] == "/accounts/password/reset/key/done/"
    assert sign_in(Client(), newcomer, NEW_PASSWORD)
    user = User.objects.get(email=newcomer.lower())
    assert (user.role, user.is_active) == (Role.ADMIN, True)
    [added] = events(type="person:add")
    person = {"person": str(user.pk), "email": newcomer.lower()}
    assert said_by(added) == person | {"role": "Admin"}


def test_the_link_works_once(newcomer):
    link = link_in(add_person(newcomer))
    set_password(Client(), link)
    assert words(the(Client().get(link), "h1")) == "This link no longer works"


@pytest.mark.parametrize("weak", ["short", "password1234", "contenzilla"])
def test_a_weak_password_is_refused(newcomer, weak):
    browser = Client()
    response = set_password(browser, link_in(add_person(newcomer)), weak)
    assert response.status_code == 200
    assert not sign_in(Client(), newcomer, weak)


def test_the_link_can_be_mailed(newcomer):
    printed = add_person(newcomer, "--mail")
    assert "reset/key" not in printed
    [letter] = mail.outbox
    assert letter.to == [newcomer.lower()]
    set_password(Client(), link_in(str(letter.body)))
    assert sign_in(Client(), newcomer, NEW_PASSWORD)


def test_adding_again_gives_a_new_link_and_no_second_event(newcomer):
    add_person(newcomer)
    assert link_in(add_person(newcomer))
    assert len(events(type="person:add")) == 1


def test_a_person_without_a_password_cannot_sign_in(newcomer):
    add_person(newcomer)
    assert not sign_in(Client(), newcomer, "")
    assert not sign_in(Client(), newcomer, "!")


def test_a_person_unknown_to_cerby_is_not_added(cast):
    with pytest.raises(CommandError, match="Cerby knows nobody with the email nobody"):
        add_person("nobody@contenzilla.example")
    assert User.objects.count() == 6


@pytest.mark.parametrize("status", ["disabled", "pending"])
def test_a_person_who_is_not_active_in_cerby_is_not_added(cast, sandbox, status):
    sandbox.add_person(
        email="gone@contenzilla.example", first_name="G", last_name="P", role="workspace_admin", status=status
    )
    with pytest.raises(CommandError, match=f"“{status}”"):
        add_person("gone@contenzilla.example")
    assert not User.objects.filter(email="gone@contenzilla.example", is_active=True).exists()


def test_cerby_cannot_be_reached(cast, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match="no connection could be made"):
        add_person("new@contenzilla.example")


def test_a_removed_person_is_signed_out_at_once_until_they_are_added_again(cast, browser_of):
    admin, owner = browser_of("admin"), browser_of("owner")
    assert admin.get("/roles/").status_code == 200
    out = StringIO()
    call_command("remove_person", email_of("admin").upper(), stdout=out)
    assert out.getvalue().startswith("Admin Person can no longer sign in.")
    read_everyone()  # Cerby still lists them as active
    assert admin.get("/roles/").status_code == 302
    assert not sign_in(Client(), email_of("admin"), PASSWORD)
    [removed] = events(type="person:remove")
    assert (removed.actor_name, said_by(removed)) == (
        "The portal",
        {
            "person": str(cast.admin.pk),
            "email": email_of("admin"),
            "before": {"may sign in": "yes"},
            "after": {"may sign in": "no"},
        },
    )
    assert "Person removed from the portal" in text(owner.get(f"/people/{cast.admin.pk}/"))

    add_person(email_of("admin"))
    assert sign_in(Client(), email_of("admin"), PASSWORD)


def test_of_two_people_who_remove_each_other_one_stays(cast, monkeypatch):
    """The second one begins after the first was allowed to, and before they act."""
    User.objects.filter(pk=cast.super_admin.pk).update(role=Role.OWNER)
    cast.super_admin.refresh_from_db()
    owner, other = actor(cast.owner), actor(cast.super_admin)

    def while_the_other_acts(reason: str) -> None:
        monkeypatch.undo()
        remove.remove_person(cast.owner.email, other, reason="Left the company")

    monkeypatch.setattr(remove, "check_reason", while_the_other_acts)
    with pytest.raises(Conflict, match="You have just been removed from the portal yourself"):
        remove.remove_person(cast.super_admin.email, owner, reason="Left the company")
    assert set(User.objects.filter(role=Role.OWNER).values_list("email", "is_active")) == {
        (cast.owner.email, False),
        (cast.super_admin.email, True),
    }


def test_a_person_who_was_never_added_cannot_be_removed(cast, newcomer):
    with pytest.raises(CommandError, match="The portal knows nobody"):
        call_command("remove_person", newcomer)
    User.objects.filter(pk=cast.guest.pk).update(added_at=None, is_active=False)
    with pytest.raises(CommandError, match="or has already been removed"):
        call_command("remove_person", email_of("guest"))
    assert events(type="person:remove") == []


def test_a_forgotten_password_is_replaced_by_mail(cast):
    response = Client().post("/accounts/password/reset/", {"email": email_of("admin")})
    assert response["Location"] == "/accounts/password/reset/done/"
    [letter] = deliver()
    set_password(Client(), link_in(str(letter.body)))
    assert sign_in(Client(), email_of("admin"), NEW_PASSWORD)
    assert not sign_in(Client(), email_of("admin"), PASSWORD)


def test_an_unknown_address_gets_the_same_answer(cast):
    known, unknown = (
        Client().post("/accounts/password/reset/", {"email": email}, follow=True)
        for email in (email_of("admin"), "stranger@elsewhere.example")
    )
    assert text(known) == text(unknown)
    assert [letter.to for letter in deliver()] == [[email_of("admin")]]


def test_a_disabled_person_gets_no_link_that_lets_them_in(cast):
    User.objects.filter(pk=cast.admin.pk).update(is_active=False)
    Client().post("/accounts/password/reset/", {"email": email_of("admin")})
    assert deliver() == []
