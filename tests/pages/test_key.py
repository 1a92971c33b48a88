"""Test the page API key settings: the details of a key, and its scopes as switches."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.utils import timezone

from keys.actions.reach.count import count_reach
from keys.evidence.keys_as_of import keys_as_of
from keys.evidence.parts import key_line
from keys.models import ApiKey, AuditEvent, Reach
from keys.rules.lifecycle import State
from tests.cast import a_key, a_live_key, an_event, with_a_life
from tests.pages.helpers import (
    HTMX,
    attribute,
    csv_rows,
    elements,
    events,
    links,
    messages_of,
    names,
    queries,
    rows,
    text,
    the,
    within,
    words,
)
from tests.pages.journey import viewed
from tests.support.row_check import wrong_keys

NOW = timezone.now()


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def facts(response) -> dict[str, str]:
    labels = [words(found) for found in elements(response, "dt")]
    return dict(zip(labels, [words(found) for found in elements(response, "dd")], strict=True))


def switches(response) -> dict[str, tuple[str | None, bool]]:
    """Return for each scope its state, and whether it is a switch or only a word."""
    found = {}
    names = [one for one in elements(response, "b") if str(attribute(one, "id")).startswith("name-")]
    for name in names:
        shown = the(response, id=str(attribute(name, "id")).replace("name", "switch"))
        state = attribute(shown, "aria-checked") or {"On": "true", "Off": "false"}[words(shown)]
        found[words(name)] = state, attribute(shown, "role") == "switch"
    return found


def turn(browser, key, scope: str, on: bool, **more):
    return browser.post(f"/keys/{key.pk}/rescope/", {"scope": scope, "on": "true" if on else "false"}, **more)


def scopes_in_cerby(sandbox, key) -> list[str]:
    with sandbox.store.transaction() as db:
        [row] = db.execute("SELECT scopes FROM api_keys WHERE id = ?", [str(key.cerby_id)])
    return row["scopes"].split()


def test_it_shows_all_details_of_the_key(admin, cast):
    key = a_key(cast.owner, name="Payroll", purpose="Pays people.", last_four="9xyz", stored_in="Automation")
    response = admin.get(f"/keys/{key.pk}/")
    assert words(the(response, "h1")) == "Payroll"
    said = facts(response)
    assert said["Purpose"] == "Pays people."
    assert said["Owner"] == "Owner Person owner@contenzilla.example"
    assert said["Last used"] == "Never"
    assert said["Status"] == "Active"
    assert "1 day ago" in next(value for label, value in said.items() if label.startswith("Created"))
    assert "in 30 days" in said["Expires"]
    assert "Automation" in said["Storage"]
    assert any("9xyz" in value for value in said.values())
    assert {"Delete API key", "Show in Activity"} <= links(response).keys()


def test_a_row_that_no_event_explains_is_not_shown_as_proved(admin, cast):
    key = a_key(cast.admin, origin="registered", fingerprint=b"f" * 32, pepper_id="p1")
    words = "The audit log does not explain this key"
    assert words in text(admin.get(f"/keys/{key.pk}/"))
    with_a_life(key)
    assert words not in text(admin.get(f"/keys/{key.pk}/"))


def test_its_own_activity_is_on_the_page(admin):
    key, _ = viewed(admin)
    response = admin.get(f"/keys/{key.pk}/")
    for label in ("API key requested", "API key generated", "API key viewed"):
        assert label in text(response)
    assert links(response)["Show in Activity"] == f"/activity/?key={key.pk}"
    newest = AuditEvent.objects.filter(key_id=key.pk).latest("id")
    addresses = {attribute(link, "href") for link in elements(response, "a")}
    assert {f"/activity/{newest.uid}/", f"/people/{newest.actor_id}/"} <= addresses


def test_the_owner_gets_no_links_to_admin_pages(browser_of, cast):
    key = a_key(cast.user)
    an_event(key_id=key.pk, key_name=key.name, actor_id=cast.owner.pk).save()
    led_to = links(browser_of("user").get(f"/keys/{key.pk}/")).values()
    assert not [address for address in led_to if address.startswith(("/activity/", "/people/"))]


def test_every_scope_is_a_switch_with_a_name_and_a_description(admin, cast):
    key = a_key(cast.owner, scopes=["read:users", "read:teams", "retired:scope"])
    response = admin.get(f"/keys/{key.pk}/")
    shown = switches(response)
    assert len(shown) == 18
    assert [name for name, (on, _) in shown.items() if on == "true"] == [
        "Read users",
        "Read teams",
        "retired:scope",
    ]
    for switch in elements(response, "button", role="switch"):
        assert words(the(response, id=str(attribute(switch, "aria-describedby"))))


def test_a_removed_key_shows_its_last_scopes_and_the_time_of_removal(admin, cast):
    key = a_key(
        cast.owner, state=State.REVOKED, removed_at=timezone.now(), scopes=["read:users", "retired:scope"]
    )
    response = admin.get(f"/keys/{key.pk}/")
    assert list(switches(response)) == ["Read users", "retired:scope"]
    assert "Only an active key's scopes can be changed." in text(response)
    assert "just now" in facts(response)["Removed on"]


@pytest.mark.parametrize(
    ("person", "holder", "may_widen"),
    [
        ("owner", "owner", True),
        ("owner", "admin", True),
        ("super_admin", "owner", False),
        ("super_admin", "super_admin", True),
        ("super_admin", "admin", True),
        ("admin", "owner", False),
        ("admin", "super_admin", False),
        ("admin", "admin", True),
        ("admin", "user", True),
        ("user", "user", False),
    ],
)
def test_narrowing_is_a_safety_act_and_widening_takes_the_owners_rank(
    browser_of, cast, sandbox, *, person, holder, may_widen
):
    key, _ = a_live_key(sandbox, cast[holder], scopes=["read:users", "read:teams"])
    browser = browser_of(person)
    shown = switches(browser.get(f"/keys/{key.pk}/"))
    assert shown["Read users"] == ("true", True)
    assert shown["Read vaults"] == ("false", may_widen)
    assert turn(browser, key, "read:vaults", True).status_code == (302 if may_widen else 403)
    assert ("read:vaults" in scopes_in_cerby(sandbox, key)) is may_widen
    assert turn(browser, key, "read:teams", False).status_code == 302
    assert "read:teams" not in scopes_in_cerby(sandbox, key)


def test_each_change_is_confirmed_and_recorded_with_before_and_after(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users"])
    response = turn(admin, key, "write:users", True)
    assert response["Location"] == f"/keys/{key.pk}/"
    assert "“Write users” is on" in messages_of(admin.get(response["Location"]))
    turn(admin, key, "read:users", False)
    assert [(event.outcome, event.details) for event in events(type="key:rescope")] == [
        ("done", {"before": ["read:users"], "after": ["read:users", "write:users"]}),
        ("done", {"before": ["read:users", "write:users"], "after": ["write:users"]}),
    ]
    assert ApiKey.objects.get(pk=key.pk).scopes == ["write:users"]


def test_turning_on_a_write_scope_asks_first_and_says_what_it_opens_and_as_whom(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.user, scopes=["read:users"])
    page = admin.get(f"/keys/{key.pk}/")
    methods = {
        words(the(page, id=str(attribute(switch, "aria-labelledby")))): attribute(form, "method")
        for form in elements(page, "form")
        for switch in within(form, "button", role="switch")
    }
    assert methods["Read teams"] == "post"
    assert methods["Write users"] == methods["Delete teams"] == "get"
    asked = admin.get(f"/keys/{key.pk}/rescope/", {"scope": "write:users"})
    assert words(the(asked, id="dialog-title")) == "Turn on “Write users”?"
    assert "Enables writing user data." in text(asked)
    assert "acts in Cerby as User Person (User)" in text(asked)
    assert scopes_in_cerby(sandbox, key) == ["read:users"]
    part = admin.get(f"/keys/{key.pk}/rescope/", {"scope": "write:users"}, headers=HTMX)
    assert attribute(the(part, "form"), "hx-target") == "#settings"
    assert not elements(part, "h1")


@pytest.mark.parametrize(("scope", "status"), [("read:users", 409), ("write:everything", 422), ("", 422)])
def test_it_asks_only_about_scopes_that_can_be_turned_on(admin, cast, sandbox, scope, status):
    key, _ = a_live_key(sandbox, cast.user, scopes=["read:users"])
    assert admin.get(f"/keys/{key.pk}/rescope/", {"scope": scope}).status_code == status


def test_the_question_asks_for_a_fresh_sign_in_and_comes_back(browser_of, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users"])
    url = f"/keys/{key.pk}/rescope/?scope=write%3Ausers"
    response = browser_of("admin", seconds_ago=301).get(url)
    assert response["Location"] == f"/accounts/reauthenticate/?next={quote(url, safe='')}"


def test_it_shows_both_ids_with_a_copy_button(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin)
    page = admin.get(f"/keys/{key.pk}/")
    assert words(the(page, id="key-id")) == str(key.pk)
    assert words(the(page, id="cerby-id")) == str(key.cerby_id)
    copied = [attribute(button, "data-copy") for button in elements(page, "button")]
    assert {"key-id", "cerby-id"} <= set(copied)


def test_under_htmx_the_switches_come_back_with_the_message(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users"])
    response = turn(admin, key, "read:teams", True, headers=HTMX)
    assert response.status_code == 200
    assert switches(response)["Read teams"][0] == "true"
    assert "“Read teams” is on" in messages_of(response)
    assert not elements(response, "h1")


def test_the_last_scope_stays(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users"])
    assert switches(admin.get(f"/keys/{key.pk}/"))["Read users"] == ("true", False)
    response = turn(admin, key, "read:users", False)
    assert response.status_code == 422
    assert scopes_in_cerby(sandbox, key) == ["read:users"]


@pytest.mark.parametrize("scope", ["", "write:everything", "x" * 5000])
def test_a_forged_scope_is_refused(admin, cast, sandbox, scope):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users"])
    assert turn(admin, key, scope, True).status_code == 422
    assert turn(admin, key, scope, False).status_code < 500
    assert scopes_in_cerby(sandbox, key) == ["read:users"]
    assert events(type="key:rescope") == []


def test_turning_a_switch_twice_changes_it_once(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users", "read:teams"])
    assert [turn(admin, key, "read:teams", False).status_code for _ in range(2)] == [302, 302]
    assert len(events(type="key:rescope")) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"expires_at": NOW - timedelta(hours=1)},
        {"state": State.REVOKED, "removed_at": NOW},
        {"state": State.REVOKING},
        {"state": State.REFUSED, "cerby_id": None},
        {"state": State.REQUESTED, "cerby_id": None},
    ],
)
def test_scopes_of_an_inactive_key_cannot_be_switched(admin, cast, sandbox, columns):
    key = a_key(cast.admin, scopes=["read:users", "read:teams"], **columns)
    assert not any(may for _, may in switches(admin.get(f"/keys/{key.pk}/")).values())
    assert turn(admin, key, "read:teams", False).status_code == 409
    assert turn(admin, key, "read:vaults", True).status_code == 409
    assert [seen for seen in sandbox.journal() if seen["method"] == "PATCH"] == []


def test_a_change_that_cerby_refuses_changes_nothing_here(admin, cast, sandbox, settings):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users", "read:teams"])
    settings.CERBY_TOKEN = "not-a-token-of-this-workspace"
    response = turn(admin, key, "read:teams", False)
    assert response.status_code == 502
    assert "status 401" in text(response)
    assert ApiKey.objects.get(pk=key.pk).scopes == ["read:users", "read:teams"]
    assert events(type="key:rescope")[-1].outcome == "failed"


def test_only_widening_asks_for_a_fresh_sign_in(browser_of, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users", "read:teams"])
    browser = browser_of("admin", seconds_ago=301)
    response = turn(browser, key, "write:users", True)
    assert "Confirm that it is you" in text(response)
    assert attribute(the(response, "input", name="next"), "value") == f"/keys/{key.pk}/"
    assert turn(browser, key, "read:teams", False)["Location"] == f"/keys/{key.pk}/"
    assert scopes_in_cerby(sandbox, key) == ["read:users"]


def test_a_long_story_costs_as_many_queries_as_a_short_one(admin, cast, sandbox):
    key, _ = a_live_key(sandbox, cast.admin, scopes=["read:users"])
    turn(admin, key, "read:teams", True)
    short = queries(admin, f"/keys/{key.pk}/")
    for on in [False, True] * 12:
        turn(admin, key, "read:teams", on)
    assert len(events(key_id=key.pk)) == 50
    assert queries(admin, f"/keys/{key.pk}/") == short


def test_an_unknown_creation_date_is_said_everywhere(browser_of, cast):
    """The evidence pack and the page of the past read the same ``KeyAsOf``."""
    admin = browser_of("admin")
    form = {"name": "Of old", "owner": cast.owner.email, "purpose": "P", "scopes": ["read:users"]}
    admin.post("/keys/register/", form | {"expires_date": "2030-01-31"})
    key = ApiKey.objects.get(name="Of old")
    assert "Created on Not known In the inventory since" in text(admin.get(f"/keys/{key.pk}/"))
    assert rows(admin.get("/keys/"))[0]["Created on"] == "Not known"
    assert rows(admin.get("/keys/past/"))[0]["Created on"] == "Not known"
    assert b'"not known","2030-01-31T00:00:00Z"' in b"".join(admin.get("/keys/export/").streaming_content)
    event = admin.get(f"/activity/{events(type='key:register')[0].uid}/")
    assert "created on not known" in text(event).lower()
    [known] = keys_as_of(timezone.now(), {})
    assert known.as_json()["created_at"] == "not known"
    assert ',"not known",' in key_line(known)
    assert wrong_keys() == []


def test_a_key_that_has_expired_says_expired(browser_of, cast):
    day = timedelta(days=1)
    key = a_key(cast.user, created_at=timezone.now() - 9 * day, expires_at=timezone.now() - day)
    terms = [words(term) for term in elements(browser_of("admin").get(f"/keys/{key.pk}/"), "dt")]
    assert "Expired" in terms
    assert "Expires" not in terms


def test_the_page_says_what_the_key_can_open_and_a_person_accepts_that_it_grew(admin, cast, workspace):
    key = a_key(cast.user, scopes=["read:items:accounts"])
    before = text(admin.get(f"/keys/{key.pk}/"))
    assert "With Read accounts, as User Person: accounts not known" in before
    assert "Not counted yet" in before
    count_reach()
    workspace.sandbox.add_record("account", {"name": "Ads", "createdBy": workspace.ids["user"]})
    Reach.objects.update(due_at=NOW)
    count_reach()
    said = admin.get(f"/keys/{key.pk}/")
    assert "up to 1 account" in text(said)
    assert "Not confirmed with a live workspace" in text(said)
    assert names(admin.get("/keys/?needs=reach-grew")) == [key.name]
    [header, line] = csv_rows(admin.get("/keys/export/?needs=reach-grew"))
    assert line[header.index("Reach")] == "up to 1 account"
    answer = admin.post(f"/keys/{key.pk}/accept-reach/", follow=True)
    assert "Accepted." in messages_of(answer)
    assert not names(admin.get("/keys/?needs=reach-grew"))
