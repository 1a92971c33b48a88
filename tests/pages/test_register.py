"""Test the registration of a key with its value, and the declaration without it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from keys.crypto import fingerprint
from keys.models import ApiKey, User
from keys.rules.lifecycle import State
from tests.cast import a_key, a_live_key, said_by
from tests.pages.helpers import (
    attribute,
    elements,
    events,
    links,
    messages_of,
    reason_beside,
    rows,
    text,
    the,
)
from tests.support.cases import in_one_test

URL = "/keys/register/"


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def filled(**changes) -> dict:
    facts = {
        "name": "Nightly export",
        "owner": "owner@contenzilla.example",
        "purpose": "Copies accounts to the warehouse.",
        "expires_date": f"{timezone.now() + timedelta(days=40):%Y-%m-%d}",
        "scopes": ["read:users"],
    } | changes
    return {name: value for name, value in facts.items() if value is not None}


def made_by_hand(sandbox, owner, *scopes, name="Nightly export") -> str:
    now = timezone.now()
    facts = {"created_at": now, "expires_at": now + timedelta(days=40)}
    return sandbox.add_key(owner_email=owner.email, name=name, scopes=list(scopes), **facts)[1]


def test_the_inventory_leads_here_and_the_form_offers_oneself_as_owner(admin, cast):
    assert links(admin.get("/keys/"))["Register a key"] == URL
    page = admin.get(URL)
    assert attribute(the(page, id="id_owner"), "value") == cast.admin.email
    assert page["Cache-Control"] == "no-store, private, no-transform"


def test_a_key_is_declared_on_the_persons_word(admin, cast):
    response = admin.post(URL, filled(expires_time="14:30", created="2026-01-05"))
    assert response["Location"] == "/keys/"
    assert "is declared" in messages_of(admin.get("/keys/"))
    key = ApiKey.objects.get()
    assert (key.origin, key.state, key.owner_id, key.cerby_id) == (
        "declared",
        State.HELD,
        cast.owner.pk,
        None,
    )
    assert (key.fingerprint, key.pepper_id, key.last_four) == (None, "", "")
    assert (key.expires_at.hour, key.expires_at.minute) == (14, 30)
    assert key.created_at == datetime(2026, 1, 5, tzinfo=UTC)
    [event] = events(type="key:register")
    assert (event.details["origin"], said_by(event)["owner"]) == (
        "Declared without its value",
        cast.owner.email,
    )


def test_the_time_is_the_readers(admin):
    admin.cookies["portal-tz"] = "Europe/Berlin"
    admin.post(URL, filled(expires_date="2027-01-31", expires_time="14:30"))
    assert ApiKey.objects.get().expires_at == datetime(2027, 1, 31, 13, 30, tzinfo=UTC)


def test_a_key_is_proved_and_recognised_from_then_on(admin, cast, sandbox, settings):
    plain = made_by_hand(sandbox, cast.owner, "read:users", "write:automations")
    response = admin.post(URL, filled(scopes=["read:users", "write:automations"], api_key=plain))
    assert response["Location"] == "/keys/"
    key = ApiKey.objects.get()
    assert (key.origin, key.state, key.last_four) == ("registered", State.HELD, plain[-4:])
    stored = fingerprint.Fingerprint(key.pepper_id, bytes(key.fingerprint))
    assert fingerprint.matches(plain, stored, settings.PORTAL_PEPPERS)
    [event] = events(type="key:register")
    assert event.details["not_checkable"] == ["write:automations"]


@pytest.mark.parametrize(
    ("granted", "field", "said"),
    [
        (["read:users", "read:vaults"], "id_api_key", "has more than the requested scopes: Read vaults"),
        (["read:vaults"], "id_api_key", "has more than the requested scopes: Read vaults"),
        ([], "id_api_key", "Cerby does not accept this key"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_beside_the_field(*, admin, cast, sandbox, granted, field, said):
    plain = made_by_hand(sandbox, cast.owner, *granted) if granted else "sbx_" + uuid.uuid4().hex
    response = admin.post(URL, filled(api_key=plain))
    assert response.status_code == 422
    assert said in reason_beside(response, field)
    assert plain not in response.content.decode()
    assert attribute(the(response, id="id_name"), "value") == "Nightly export"
    assert not ApiKey.objects.exists()


def test_a_narrower_key_is_registered_with_its_real_scopes(admin, cast, sandbox):
    plain = made_by_hand(sandbox, cast.owner, "read:users")
    wanted = filled(scopes=["read:users", "read:integrations"], api_key=plain)
    assert "Read integrations" in reason_beside(admin.post(URL, wanted), "id_accept_less")
    assert admin.post(URL, wanted | {"accept_less": "on"}).status_code == 302
    assert ApiKey.objects.get().scopes == ["read:users"]


@pytest.mark.parametrize("origin", ["declared", "discovered"])
def test_a_row_without_a_value_is_completed_instead_of_doubled(admin, cast, sandbox, origin):
    known = {"cerby_id": None} if origin == "declared" else {}
    row = a_key(cast.owner, name="NIGHTLY export", origin=origin, purpose="", stored_at=None, **known)
    plain = made_by_hand(sandbox, cast.owner, "read:users")
    admin.post(URL, filled(api_key=plain))
    key = ApiKey.objects.get()
    assert (key.pk, key.cerby_id, key.origin) == (row.pk, row.cerby_id, "registered")
    assert (key.purpose, key.last_four) == ("Copies accounts to the warehouse.", plain[-4:])
    assert [event.key_id for event in events(type="key:register")] == [row.pk]


def test_declaring_an_existing_key_is_refused(admin, cast):
    other = a_key(cast.owner, name="Nightly export")
    response = admin.post(URL, filled())
    assert "already has a key called “Nightly export”" in reason_beside(response, "id_name")
    assert links(response)["Show the other key"] == f"/keys/{other.pk}/"
    assert "Copies accounts to the warehouse." in text(response)
    assert admin.post(URL, filled(owner="admin@contenzilla.example")).status_code == 302


def test_a_value_that_is_known_already_is_refused(admin, cast, sandbox, settings):
    _, plain = a_live_key(sandbox, cast.owner)
    print_ = fingerprint.compute(plain, peppers=settings.PORTAL_PEPPERS)
    ApiKey.objects.update(fingerprint=print_.digest, pepper_id=print_.pepper_id, name="Payroll")
    assert "as “Payroll”" in reason_beside(admin.post(URL, filled(api_key=plain)), "id_api_key")


def test_an_unknown_owner_is_read_from_cerby(admin, sandbox):
    sandbox.add_person(
        email="new@contenzilla.example", first_name="New", last_name="Person", role="workspace_user"
    )
    assert admin.post(URL, filled(owner="NEW@contenzilla.example")).status_code == 302
    owner = User.objects.get(email="new@contenzilla.example")
    assert (ApiKey.objects.get().owner, owner.is_active) == (owner, False)


@in_one_test(
    "changes, field, said",
    [
        ({"name": ""}, "id_name", "The name is missing"),
        ({"name": "x" * 101}, "id_name", "101 characters"),
        ({"owner": ""}, "id_owner", "Enter the email"),
        ({"owner": "nobody@contenzilla.example"}, "id_owner", "Cerby knows nobody"),
        ({"purpose": " "}, "id_purpose", "The purpose is missing"),
        ({"expires_date": None}, "id_expires_date", "Enter the day"),
        ({"expires_date": "2020-01-01"}, "id_expires_date", "has already expired"),
        ({"expires_date": "9999-01-01"}, "id_expires_date", "more than a hundred years"),
        ({"created": "2100-01-01"}, "id_created", "in the future"),
        ({"api_key": "short"}, "id_api_key", "5 characters"),
    ],
)
def test_registration_errors_are_shown_beside_their_fields(admin, changes, field, said):
    response = admin.post(URL, filled(**changes))
    assert response.status_code == 422
    assert said in reason_beside(response, field)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("scopes", [None, ["read:everything"]])
def test_scopes_are_selected_from_the_list(admin, scopes):
    response = admin.post(URL, filled(scopes=scopes))
    assert response.status_code == 422
    assert text(response).count("scope") > 0
    assert elements(response, id="scopes_error")


def test_an_outage_of_cerby_registers_nothing_and_loses_no_input(admin, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    response = admin.post(URL, filled(api_key="sbx_" + uuid.uuid4().hex))
    assert response.status_code == 503
    assert "Nothing was registered" in text(response)
    assert attribute(the(response, id="id_name"), "value") == "Nightly export"


@in_one_test("management", ["admins", "owner-only"])
@in_one_test(
    "person, status",
    [("owner", 302), ("super_admin", 302), ("admin", 302), ("user", 403), ("guest", 403)],
)
def test_admins_register_in_both_readings(browser_of, settings, management, person, status):
    settings.PORTAL_KEY_MANAGEMENT = management
    assert browser_of(person).post(URL, filled()).status_code == status


def test_the_row_is_found_in_the_inventory(admin):
    admin.post(URL, filled())
    [row] = rows(admin.get("/keys/?q=Nightly"))
    assert (row["Owner"], row["Status"]) == ("Owner Person owner@contenzilla.example", "Active")
