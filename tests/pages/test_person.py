"""Test the page of a person."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from keys.actions.keys.rescope import rescope_key
from keys.actions.people.refresh import refresh_person
from keys.models import AuditEvent
from tests.cast import a_key, a_live_key, actor, an_event, signed_in
from tests.pages.helpers import elements, events, links, many_keys, queries, text, the, words
from tests.support.authenticators import ORIGIN, add_app
from tests.support.post_office import deliver


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def section(response, title_id: str) -> str:
    return words(the(response, "section", aria_labelledby=title_id))


def test_role_history_keys_and_activity(admin, cast, sandbox, workspace):
    sandbox.set_person(workspace.ids["user"], role="workspace_admin")
    refresh_person(cast.user)
    key, _ = a_live_key(sandbox, cast.user, name="Payroll", scopes=["read:users", "read:teams"])
    rescope_key(actor(cast.owner), key.pk, "read:teams", on=False)
    admin_of_late = actor(cast.user)
    elsewhere, _ = a_live_key(sandbox, cast.guest, name="Elsewhere")
    rescope_key(admin_of_late, elsewhere.pk, "read:items", on=True)

    page = admin.get(f"/people/{cast.user.pk}/")
    assert words(the(page, "h1")) == "User Person"
    facts = section(page, "person-facts")
    assert "user@contenzilla.example" in facts
    assert "Role Admin" in facts
    assert "role removed: User added: Admin" in section(page, "person-roles")
    assert "Payroll Expires" in section(page, "person-keys")
    assert "Elsewhere" in section(page, "person-did")
    assert "Payroll" not in section(page, "person-did")
    done = section(page, "person-done-to")
    assert "Scopes changed · Payroll · Owner Person (Owner) scopes removed: Read teams" in done
    assert "Elsewhere" not in done


def test_each_list_leads_to_all_of_it(admin, cast):
    found = links(admin.get(f"/people/{cast.user.pk}/"))
    assert found["Show in the inventory"] == "/keys/?owner=user%40contenzilla.example"
    assert found["All their activity"] == "/activity/?actor=user%40contenzilla.example"
    assert found["All activity of their keys"] == "/activity/?owner=user%40contenzilla.example"


def test_a_person_without_keys_and_activity(admin, cast):
    page = admin.get(f"/people/{cast.guest.pk}/")
    assert section(page, "person-keys").endswith("None.")
    assert section(page, "person-did").endswith("No activity yet.")


def test_only_the_newest_keys_are_shown_with_a_note(admin, cast):
    many_keys(cast.user, 21)
    page = admin.get(f"/people/{cast.user.pk}/")
    assert len(elements(page, "span", class_="badge")) == 20
    assert "The inventory lists all of them" in text(page)


def test_nobody(admin):
    assert admin.get("/people/999999/").status_code == 404


def test_their_name_leads_there_from_the_activity_and_from_their_key(admin, browser_of, cast):
    key = a_key(cast.user)
    browser_of("owner").get("/keys/")
    address = f"/people/{cast.owner.pk}/"
    assert links(admin.get("/activity/"))["Owner Person"] == address
    assert links(admin.get(f"/keys/{key.pk}/"))["User Person"] == f"/people/{cast.user.pk}/"
    assert "User Person" not in links(browser_of("user").get(f"/keys/{key.pk}/"))


def test_fifty_events_cost_as_many_queries_as_one(admin, cast):
    key = a_key(cast.user)
    event = {"type": "key:miss", "key_id": key.pk, "actor_email": cast.user.email}
    an_event(**event).save()
    one = queries(admin, f"/people/{cast.user.pk}/")
    now = timezone.now()
    AuditEvent.objects.bulk_create(an_event(at=now - timedelta(seconds=n), **event) for n in range(60))
    many_keys(cast.user, 30)
    assert queries(admin, f"/people/{cast.user.pk}/") == one


def test_the_owner_resets_the_factors_of_a_person_who_lost_them(cast, settings):
    settings.PORTAL_URL = ORIGIN
    theirs = signed_in(cast.admin)
    add_app(theirs)
    owner, url = signed_in(cast.owner), f"/people/{cast.admin.pk}/reset-factors/"
    assert "Authenticator app" in text(owner.get(f"/people/{cast.admin.pk}/"))
    assert owner.post(url, {"reason": ""}).status_code == 422
    assert owner.post(url, {"reason": "A lost phone."}).status_code == 302
    assert not Authenticator.objects.exists()
    assert theirs.get("/account/").status_code == 302, "the sessions have ended"
    [reset] = events(type="factor:reset")
    assert (reset.reason, reset.details["count"]) == ("A lost phone.", 1)
    deliver()
    assert "Owner Person (Owner) removed all second factors" in mail.outbox[-1].body
    assert mail.outbox[-1].to == [cast.admin.email]
    assert owner.post(url, {"reason": "Again."}).status_code == 409


def test_the_operator_resets_the_factors_of_the_only_owner(cast, settings):
    settings.PORTAL_URL = ORIGIN
    add_app(signed_in(cast.owner))
    call_command("reset_factors", cast.owner.email, "--reason", "Lost in a fire.", stdout=StringIO())
    assert not Authenticator.objects.exists()
    [reset] = events(type="factor:reset")
    assert (reset.reason, reset.actor_email) == ("Lost in a fire.", "")
    deliver()
    assert "The operator of the portal removed all second factors" in mail.outbox[-1].body
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("reset_factors", cast.owner.email, "--reason", "Again.")
    with pytest.raises(CommandError, match="does not know"):
        call_command("reset_factors", "nobody@contenzilla.example", "--reason", "Again.")


@pytest.mark.parametrize(
    ("by", "of"), [("owner", "owner"), ("super_admin", "owner"), ("admin", "user"), ("user", "guest")]
)
def test_nobody_else_resets_them(cast, settings, by, of):
    settings.PORTAL_URL = ORIGIN
    add_app(signed_in(cast[of]))
    url = f"/people/{cast[of].pk}/reset-factors/"
    browser = signed_in(cast[by])
    answer = browser.post(url, {"reason": "Mine."})
    assert answer.status_code == 403
    said = text(browser.get(f"/people/{cast[of].pk}/")).partition("loses a second factor, ")[2]
    owner, super_admin = (f"{one.name} ( {one.email} )" for one in (cast.owner, cast.super_admin))
    expected = {"admin": f"these people can reset it: {owner}, {super_admin}.", "user": ""}.get(
        by, "only the operator of the portal can reset it."
    )
    assert said.startswith(expected)
    assert bool(said) is (by != "user")
    assert Authenticator.objects.exists()
