import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.cerby import values, wire
from keys.cerby.values import WireError
from keys.rules.permissions import Role
from tests.support.cases import in_one_test

ID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
OTHER = "6fa459ea-ee8a-4ca4-894e-db77e160355e"
ASKED = wire.IssueRequest(
    name="Nightly export",
    scopes=("read:users", "read:items"),
    expires_at=datetime(2027, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC),
    owner_id=UUID(OTHER),
    external_id=uuid4(),
)


def person(**changes):
    attributes = {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "email": "ada@contenzilla.example",
        "status": "live",
        "role": "workspace_super_admin",
        "isGuest": False,
        "createdAt": "2026-01-01T00:00:00Z",
        "lastActivity": "2026-11-01T10:00:00+02:00",
    }
    return {"id": ID, "type": "user", "attributes": attributes | changes}


def key(**changes):
    attributes = {
        "name": "Nightly export",
        "scopes": ["read:users"],
        "status": "active",
        "ownerId": OTHER,
        "ownerEmail": "ada@contenzilla.example",
        "createdAt": "2026-01-01T00:00:00Z",
        "expiresAt": "2027-01-01T00:00:00.123Z",
        "lastUsedAt": None,
        "removedAt": None,
        "externalId": None,
    }
    return {"id": ID, "type": "api_key", "attributes": attributes | changes}


def issued(**changes):
    request: Any = wire.issue_request(ASKED)
    sent = request["data"]["attributes"]
    answer = {"createdAt": "2026-11-23T10:00:00Z", "status": "active", "key": "sbx_0123456789"}
    return {"id": ID, "type": "api_key", "attributes": sent | answer | changes}


def without(resource, name):
    left = {key: value for key, value in resource["attributes"].items() if key != name}
    return resource | {"attributes": left}


def test_a_person():
    ada = wire.person(person(unheardOf={"deep": []}))
    assert ada == wire.Person(
        id=UUID(ID),
        email="ada@contenzilla.example",
        first_name="Ada",
        last_name="Lovelace",
        status="live",
        role=Role.SUPER_ADMIN,
        is_guest=False,
        last_activity=datetime(2026, 11, 1, 8, tzinfo=UTC),
        role_id="workspace_super_admin",
    )
    assert ada.name == "Ada Lovelace"


def test_a_person_without_a_name_is_called_by_email():
    assert wire.person(person(firstName=None, lastName="")).name == "ada@contenzilla.example"
    assert wire.person(without(person(), "lastName")).name == "Ada"


@in_one_test(
    "role, is_guest, expected",
    [
        ("workspace_owner", False, Role.OWNER),
        ("workspace_admin", False, Role.ADMIN),
        ("workspace_user", False, Role.USER),
        ("workspace_user", True, Role.GUEST),
        ("workspace_guest_user", True, Role.GUEST),
        ("workspace_guest", True, Role.GUEST),
        ("workspace_guest_admin", True, Role.ADMIN),
        ("workspace_emperor", True, None),
        ("workspace_emperor", False, None),
        (None, False, None),
    ],
)
def test_roles(role, is_guest, expected):
    assert wire.person(person(role=role, isGuest=is_guest)).role is expected


@in_one_test(
    "broken",
    [
        None,
        [],
        person() | {"type": "vault"},
        person() | {"id": "7"},
        person() | {"id": f"{{{ID}}}"},
        person() | {"id": None},
        person() | {"attributes": []},
    ],
)
def test_an_invalid_person_is_rejected(broken):
    with pytest.raises(WireError):
        wire.person(broken)


@in_one_test(
    "written, meant",
    [
        ("2025-03-25T21:30:29.423697+00:00", datetime(2025, 3, 25, 21, 30, 29, 423_697, tzinfo=UTC)),
        ("2024-01-04T15:36:54", datetime(2024, 1, 4, 15, 36, 54, tzinfo=UTC)),
        ("2024-09-05T20:46:14.357000", datetime(2024, 9, 5, 20, 46, 14, 357_000, tzinfo=UTC)),
        ("2024-09-05T20:46:14.357", datetime(2024, 9, 5, 20, 46, 14, 357_000, tzinfo=UTC)),
        ("2024-09-05T20:46:14.357Z", datetime(2024, 9, 5, 20, 46, 14, 357_000, tzinfo=UTC)),
        ("2024-09-05T22:46:14+02:00", datetime(2024, 9, 5, 20, 46, 14, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime.max.replace(tzinfo=UTC) - timedelta(days=1)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_time_without_an_offset_is_utc(written, meant):
    ada = wire.person(person(lastActivity=written))
    assert (ada.last_activity, ada.unreadable) == (meant, ())
    if meant:
        assert wire.upstream_key(key(createdAt=written)).created_at == meant


@in_one_test(
    "strange",
    ["yesterday", "", "2024-01-04", "20240104T153654", 1_700_000_000, True, [], "0001-01-01T00:00:00+14:00"],
)
def test_a_time_that_cannot_be_read_is_dropped_and_noted(strange):
    ada = wire.person(person(lastActivity=strange))
    assert (ada.last_activity, ada.unreadable) == (None, ("lastActivity",))
    nightly = wire.upstream_key(key(expiresAt=strange, lastUsedAt=strange, removedAt=strange))
    assert nightly.unreadable == ("expiresAt", "lastUsedAt", "removedAt")
    with pytest.raises(WireError):
        wire.upstream_key(key(createdAt=strange))


def test_other_optional_values_that_cannot_be_read_are_dropped_as_well():
    ada = wire.person(person(firstName=7, lastName=[], role=["workspace_owner"], mfaStatus="on"))
    assert (ada.name, ada.role) == (ada.email, None)
    assert ada.unreadable == ("role", "firstName", "lastName", "mfaStatus")


def test_multi_factor_authentication():
    assert wire.person(person(mfaStatus=None)).mfa is None
    none = wire.person(person(mfaStatus={"mfaEnabled": False, "mfaEnrollmentDate": None}))
    assert none.mfa == wire.Mfa(enabled=False, enrolled_at=None)
    on = wire.person(person(mfaStatus={"mfaEnabled": True, "mfaEnrollmentDate": "2024-01-04T15:36:54"}))
    assert on.mfa == wire.Mfa(enabled=True, enrolled_at=datetime(2024, 1, 4, 15, 36, 54, tzinfo=UTC))


def test_characters_that_no_database_can_store_are_replaced():
    lone = json.loads('"A\\u0000d\\ud800a\\n"')
    assert wire.person(person(firstName=lone)).first_name == "A\ufffdd\ufffda\ufffd"


def test_an_upstream_key():
    made = wire.upstream_key(key(externalId=ID.upper(), status="removed", removedAt="2026-02-01T00:00:00Z"))
    assert made.external_id == UUID(ID)
    assert made.status == "removed"
    assert made.removed_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert made.expires_at == datetime(2027, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)
    assert made.last_used_at is None
    assert made.scopes == ("read:users",)


@in_one_test("name", list(key()["attributes"]))
def test_each_attribute_of_a_key_is_required(name):
    """A list without externalId must not look as if we never created this key."""
    with pytest.raises(WireError, match=f"{name} is missing"):
        wire.upstream_key(without(key(), name))


@in_one_test(
    "changes",
    [{"status": "asleep"}, {"scopes": "read:users"}, {"scopes": [1]}, {"externalId": "x"}, {"ownerId": ""}],
)
def test_an_invalid_key_is_rejected(changes):
    with pytest.raises(WireError):
        wire.upstream_key(key(**changes))


def test_the_request_to_create_a_key():
    assert wire.issue_request(ASKED) == {
        "data": {
            "type": "api_key",
            "attributes": {
                "name": "Nightly export",
                "scopes": ["read:users", "read:items"],
                "expiresAt": "2027-01-02T03:04:05Z",
                "ownerId": OTHER,
                "externalId": str(ASKED.external_id),
            },
        }
    }


def test_the_request_to_save_a_secret():
    vault = uuid4()
    assert wire.secret_request(title="T", body="B", vault_id=vault) == {
        "data": {
            "attributes": {
                "vaultId": str(vault),
                "title": "T",
                "requiresIdentityChallenge": False,
                "body": {"type": "plaintext", "value": "B"},
                "category": "text",
            }
        }
    }


@in_one_test(
    "state, scheme, usable",
    [
        ("enabled", "kms_byo", True),
        ("enabled", "akv", True),
        ("enabled", "local_encryption_key", False),
        ("disabled", "kms_byo", False),
        ("paused", "kms_byo", False),
        (None, None, True),
    ],
)
def test_only_enabled_cloud_vaults_take_secrets(state, scheme, usable):
    vault = {"id": ID, "type": "vault", "attributes": {"name": "V", "state": state, "scheme": scheme}}
    assert wire.vault(vault).takes_secrets is usable


def test_an_issued_key_hides_its_plain_text():
    made = wire.issued_key(issued(scopes=["read:items", "read:users"]), ASKED)
    assert isinstance(made, wire.IssuedKey)
    assert made.secret == "sbx_0123456789"
    assert "sbx_" not in repr(made)
    assert made.external_id == ASKED.external_id


@in_one_test("plain", [None, "", 7, ["sbx_1"], "x" * 4097, "sbx 1", "sbx_1\n", "sbx\x00", "sbx_é", "\ud800"])
def test_without_a_usable_plain_text_only_the_id_is_returned(plain):
    assert wire.issued_key(issued(key=plain), ASKED) == UUID(ID)


def test_an_id_alone_is_returned():
    assert wire.issued_key({"id": ID, "type": "api_key"}, ASKED) == UUID(ID)
    assert wire.issued_key(without(issued(), "key"), ASKED) == UUID(ID)


@in_one_test(
    "changes",
    [
        {"externalId": OTHER},
        {"externalId": OTHER, "key": None},
        {"externalId": None},
        {"scopes": ["read:users"]},
        {"scopes": ["read:users", "read:items", "write:users"]},
        {"ownerId": ID},
        {"expiresAt": "2027-01-02T03:05:05Z"},
        {"expiresAt": None},
        {"createdAt": "2026-11-23"},
        {"name": None},
    ],
)
def test_an_answer_about_another_key_is_rejected(changes):
    with pytest.raises(WireError):
        wire.issued_key(issued(**changes), ASKED)


def test_a_page():
    answer = {"data": [person()], "links": {"next": "/more"}, "meta": {"page": {"maxSize": 100, "total": 7}}}
    page = wire.page(answer, wire.person)
    assert (len(page.items), page.total, page.more) == (1, 7, True)
    broken: dict[str, Any]
    for broken in (
        {"meta": None},
        {"meta": {"page": {"total": "7"}}},
        {"meta": {"page": {"total": True}}},
        {"data": {}},
        {"links": []},
    ):
        with pytest.raises(WireError):
            wire.page(answer | broken, wire.person)


@in_one_test("body", [b"", b"{", b"\xff", b"[" * 100_000, "{}".encode("utf-16"), b"[" + b"[]," * 100_000])
def test_a_body_that_is_not_json_is_rejected(body):
    with pytest.raises(WireError):
        values.document(body)


def test_the_problem_of_an_error_answer():
    assert wire.problem(b'{"errors":[{"code":"c","detail":"d","status":400},{"detail":"e"}]}') == ("c", "d")
    bad_scope = {
        "code": "validation_error",
        "detail": "Not valid.",
        "meta": {"loc": ["body"], "msg": "No such scope."},
    }
    assert wire.problem(json.dumps({"errors": [bad_scope]}).encode()) == (
        "validation_error",
        "Not valid. No such scope.",
    )
    for detail, message in (("No such scope.", "No such scope"), ("Bad: no such scope.", "no such scope.")):
        twice = {"code": "c", "detail": detail, "meta": {"msg": message}}
        assert wire.problem(json.dumps({"errors": [twice]}).encode()) == ("c", detail)
    longer = {"code": "c", "detail": "Bad.", "meta": {"msg": "Bad. No such scope."}}
    assert wire.problem(json.dumps({"errors": [longer]}).encode()) == ("c", "Bad. No such scope.")
    for shapeless in (b"<html>", b"[]", b'{"errors":[]}', b'{"errors":[7]}', b'{"errors":[{"detail":null}]}'):
        assert wire.problem(shapeless) == ("", "")


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just(ID)
    | st.datetimes().map(str)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PARSERS = [
    wire.person,
    wire.vault,
    wire.secret,
    wire.upstream_key,
    wire.one,
    lambda value: wire.page(value, wire.person),
    lambda value: wire.issued_key(value, ASKED),
]


@given(anything, st.sampled_from(PARSERS))
def test_arbitrary_json_raises_nothing_but_wire_error(value, parse):
    with suppress(WireError):
        parse(value)


@given(
    st.data(), st.sampled_from([(wire.person, person), (wire.upstream_key, key), (wire.issued_key, issued)])
)
def test_one_arbitrary_attribute_raises_nothing_but_wire_error(data, case):
    parse, example = case
    name = data.draw(st.sampled_from(list(example()["attributes"])))
    value = data.draw(anything)
    try:
        parsed = (
            parse(example(**{name: value}), ASKED)
            if parse is wire.issued_key
            else parse(example(**{name: value}))
        )
    except WireError:
        return
    assert isinstance(parsed, wire.Person | wire.UpstreamKey | wire.IssuedKey | UUID)


@given(st.binary())
def test_arbitrary_bytes_raise_nothing_but_wire_error(body):
    try:
        values.document(body)
    except WireError:
        assert wire.problem(body) == ("", "")


@given(st.integers(-(2**31), 2**33), st.integers(-14 * 60, 14 * 60))
def test_any_zone_becomes_utc(second, minutes):
    moment = datetime.fromtimestamp(second, UTC)
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    parsed = wire.person(person(lastActivity=local.isoformat())).last_activity
    assert parsed == moment
    assert parsed.tzinfo is UTC
