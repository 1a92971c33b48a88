"""Test the client against the sandbox over a socket; they share no code."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from keys.cerby.client import CerbyClient
from keys.cerby.wire import Secret, Vault
from keys.rules.errors import (
    CerbyConflict,
    CerbyForbidden,
    CerbyInDoubt,
    CerbyNotFound,
    CerbyRefused,
    CerbyUnauthorized,
)
from keys.rules.permissions import Role
from sandbox import Sandbox
from tests.sandbox.server import serve

EMAIL = "{}@contenzilla.example"
ROLES = {
    "owner": ("workspace_owner", Role.OWNER),
    "super-admin": ("workspace_super_admin", Role.SUPER_ADMIN),
    "admin": ("workspace_admin", Role.ADMIN),
    "user": ("workspace_user", Role.USER),
    "login-only": ("workspace_login_only", Role.LOGIN_ONLY),
    "guest": ("workspace_guest_user", Role.GUEST),
}


@pytest.fixture
def sandbox(tmp_path):
    sandbox = Sandbox(tmp_path / "sandbox.sqlite3")
    for name, (role, _) in ROLES.items():
        sandbox.add_person(email=EMAIL.format(name), first_name=name.title(), last_name="Example", role=role)
    yield sandbox
    sandbox.close()


@pytest.fixture
def url(sandbox):
    with serve(sandbox) as url:
        yield url


@pytest.fixture
def cerby(sandbox, url):
    _, api_key = sandbox.add_key(
        owner_email=EMAIL.format("owner"),
        name="The portal's own",
        scopes=["read:users", "read:vaults", "read:items:secrets", "write:items:secrets"],
        created_at=datetime.now(UTC) - timedelta(days=1),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    return CerbyClient(url, token=sandbox.issue_token(EMAIL.format("owner")), api_key=api_key)


def issue(cerby, owner="owner", **changes):
    asked = {
        "name": "Nightly export",
        "scopes": ["read:users", "read:items"],
        "expires_at": datetime.now(UTC) + timedelta(hours=12),
        "owner_id": cerby.person_by_email(EMAIL.format(owner)).id,
        "external_id": uuid4(),
    }
    return cerby.issue_key(**asked | changes)


def ids(things):
    return {thing.id for thing in things}


def test_people_and_roles(cerby):
    assert {person.email: person.role for person in cerby.people()} == {
        EMAIL.format(name): role for name, (_, role) in ROLES.items()
    }
    admin = cerby.person_by_email("ADMIN@contenzilla.example")
    assert admin == cerby.person(admin.id)
    assert (admin.name, admin.status) == ("Admin Example", "live")
    assert cerby.person_by_email("nobody@contenzilla.example") is None
    with pytest.raises(CerbyNotFound):
        cerby.person(uuid4())


def test_a_long_list_of_people(cerby, sandbox):
    for number in range(230):
        sandbox.add_person(email=f"u{number}@c.example", first_name="U", last_name="N", role="workspace_user")
    assert len(list(cerby.people())) == 236


def test_the_lifecycle_of_a_key(cerby, sandbox, url):
    external_id = uuid4()
    made = issue(cerby, owner="admin", external_id=external_id)
    assert sandbox.accepts(made.secret)
    assert set(made.scopes) == {"read:users", "read:items"}

    [found] = cerby.keys_by_external_id(external_id)
    assert found == cerby.key(made.id)
    assert (found.status, found.owner_email, found.external_id) == (
        "active",
        EMAIL.format("admin"),
        external_id,
    )
    assert (found.last_used_at, found.removed_at) == (None, None)

    assert len(list(CerbyClient(url, token=None, api_key=made.secret).people())) == len(ROLES)
    assert cerby.key(made.id).last_used_at is not None

    assert cerby.rescope_key(made.id, ["read:users"]).scopes == ("read:users",)
    cerby.delete_key(made.id)
    assert not sandbox.accepts(made.secret)
    assert cerby.key(made.id).status == "removed"
    assert made.id in ids(cerby.keys(statuses=["removed"]))
    assert made.id not in ids(cerby.keys(statuses=["active", "expired"]))
    assert made.id in ids(cerby.keys())
    with pytest.raises(CerbyConflict):
        cerby.rescope_key(made.id, ["read:users"])


def test_the_same_external_id_twice_creates_no_second_key(cerby):
    external_id = uuid4()
    issue(cerby, external_id=external_id)
    with pytest.raises(CerbyInDoubt):
        issue(cerby, external_id=external_id)
    assert len(cerby.keys_by_external_id(external_id)) == 1
    assert cerby.keys_by_external_id(uuid4()) == []


def test_vaults_and_secrets(cerby, sandbox):
    main, finance = sandbox.add_vault("Main"), sandbox.add_vault("Finance")
    sandbox.add_vault("Old", state="disabled")
    sandbox.add_vault("On laptops", scheme="local_encryption_key")
    assert set(cerby.vaults()) == {Vault(UUID(main), "Main"), Vault(UUID(finance), "Finance")}
    saved = cerby.save_secret(title="A key", body="sbx_something", vault_id=UUID(finance))
    assert saved == Secret(saved.id, "A key", saved.created_at)
    [found] = cerby.secrets_called("A key")
    assert found == saved
    person = cerby.person_by_email(EMAIL.format("admin"))
    for _ in range(2):  # the second time, it is shared already
        cerby.share_secret(saved.id, with_person=person.id, message="Yours.")
    [kept] = sandbox.secrets()
    assert (kept["title"], kept["body_length"], kept["vault_id"]) == ("A key", len("sbx_something"), finance)


def test_refusals(cerby, sandbox, url):
    with pytest.raises(CerbyRefused) as caught:
        issue(cerby, scopes=["made:up"])
    assert caught.value.upstream_status == 400
    assert "made:up" in caught.value.sentence
    with pytest.raises(CerbyNotFound):
        cerby.delete_key(uuid4())
    with pytest.raises(CerbyUnauthorized):
        list(CerbyClient(url, token="tok_unknown", api_key=None).keys())
    admin = CerbyClient(url, token=sandbox.issue_token(EMAIL.format("admin")), api_key=None)
    with pytest.raises(CerbyForbidden):
        issue(admin, owner="owner")
    assert len([line for line in sandbox.journal() if line["method"] == "POST"]) == 2
