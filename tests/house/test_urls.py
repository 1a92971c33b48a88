"""The status of every URL for every method and person. The test fails if a URL is not in the table."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from keys.actions.requests.open import open_request
from keys.actions.safeguards.quarantine import Cause, start_quarantine
from keys.audit.signer import sign
from keys.jobs.sealing import seal_all
from keys.models import (
    AccessRequest,
    ApiKey,
    HeldBack,
    PolicyVersion,
    Rotation,
    SavedView,
    User,
    Verification,
)
from keys.rules.lifecycle import State
from keys.rules.permissions import Role
from keys.rules.requests import RequestKind
from keys.validation.ownership import Ownership
from sandbox import Sandbox
from tests.cast import (
    PASSWORD,
    a_damaged_record,
    a_key,
    a_live_key,
    a_selection,
    an_event,
    an_inbox_item,
    email_of,
)
from tests.domain.rotation.steps import a_rotation
from tests.house.url_table import (
    CHANGED_BY_THE_HIGHEST,
    METHODS,
    OWNER_ONLY,
    SAFE,
    TABLE,
    VIEW_ACTS,
    at_a_border,
    everybody,
    own,
    who,
)
from tests.pages.helpers import encoded, text
from tests.pages.journey import Tab, answers, claim, generate
from tests.support.cases import in_one_test
from tests.support.channels import a_channel, a_delivery
from tests.support.policies import a_version, an_exception, enforced
from tests.support.reviews import a_review_with_address, review_bodies

ABOUT_A_KEY = (
    *("keys:store", "keys:key", "keys:paste", "keys:removal", "keys:reading", "keys:edit"),
    "keys:rotate",
)
WITH_KEY = {name for name in TABLE if name.startswith(ABOUT_A_KEY)} | {"keys:correct", "keys:withdraw"}
WITH_KEY |= {"keys:exceptions-ask"}
BY_HAND = {
    "keys:paste": State.AWAITED,
    **dict.fromkeys(("keys:removal", "keys:removal-confirm"), State.REVOKING),
    **dict.fromkeys(("keys:reading", "keys:correct", "keys:withdraw"), State.HELD),
}
QUARANTINED = {"keys:key-keep", "keys:health-release"}
HELP = {"keys:help-page": "audit", "keys:help-image": "inventory.png"}
OF_A_VIEW = {f"keys:{page}-{act}" for page in ("inventory", "activity") for act in VIEW_ACTS}
ABOUT_A_PERSON = {f"keys:person-{act}" for act in ("remove", "sign-out", "reset-factors", "unlink")}
OF_AN_OWNER = {"keys:person", "keys:leaving", "keys:leaving-pack"}
ABOUT_AN_EVENT = {"keys:event", "keys:event-proof"}
AFTER_THE_VIEW = {"keys:store-save", "keys:store-done"}


def cases(table: dict[str, dict[str, dict[str, int]]]) -> list[Any]:
    """Return one case for the safe methods of each row, and one for each other method."""
    return [
        pytest.param(name, methods, expected, id=f"{name}-{'-'.join(methods)}")
        for name, row in table.items()
        for listed, expected in row.items()
        for methods in _asked_together(listed.split())
    ]


def _asked_together(listed: list[str]) -> list[tuple[str, ...]]:
    safe = [tuple(method for method in SAFE if method in listed)]
    return [*filter(None, safe), *((method,) for method in listed if method not in SAFE)]


@pytest.fixture(autouse=True)
def _nothing_counted_yet() -> None:
    cache.clear()


@pytest.fixture
def prepare(cast, browser_of, workspace, settings, tmp_path):
    """Return a function that makes fresh data for a URL.

    ``prepare("admin", "keys:key-delete")`` returns a browser, the address and a well-formed body for a POST.
    """
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"  # the signer stores its state here

    def prepared(person: str, name: str) -> tuple[Client, str, dict[str, Any]]:
        holder = "user" if person == "key_owner" else "super_admin"
        if name.startswith("keys:store"):
            key, secret = _new_key(browser_of("super_admin"), cast[holder], viewed=name in AFTER_THE_VIEW)
        else:
            found = {"origin": "discovered", "purpose": ""} if name == "keys:key-adopt" else {}
            key, secret = a_live_key(
                workspace.sandbox, cast[holder], scopes=["read:users", "read:teams"], **found
            )
        if name in QUARANTINED:
            start_quarantine(Cause.OPERATOR, "A restore.")
            HeldBack.objects.create(key=key, reason="R", since=timezone.now())
            ApiKey.objects.filter(pk=key.pk).update(state=State.READY)
        Verification.objects.all().delete()
        damaged = a_damaged_record().pk if name == "keys:verification-explain" else 0
        if name in BY_HAND:
            origin = "declared" if BY_HAND[name] == State.HELD else "pasted"
            ApiKey.objects.filter(pk=key.pk).update(cerby_id=None, origin=origin, state=BY_HAND[name])
        asker = "user" if person == "key_owner" else person
        browser, address = browser_of(asker), _address(name, key, cast[asker] or cast.admin)
        bodies = _bodies(secret, workspace.vaults[0], damaged)
        if name == "keys:person-add":
            bodies[name] = {"email": _newcomer(workspace.sandbox)}
        return browser, address, bodies.get(name, {})

    return prepared


@pytest.fixture
def ask(prepare):
    """Return a function that sends well-formed requests on fresh data and returns the status for each method.

    For example ``ask("admin", ["POST"], "keys:key-delete")``.
    """

    def statuses(person: str, methods: Iterable[str], name: str) -> dict[str, int]:
        browser, address, body = prepare(person, name)
        return {method: send(browser, method, address, body) for method in methods}

    return statuses


def send(browser: Client, method: str, address: str, body: dict[str, Any], **more: Any) -> int:
    """Send ``body`` if the method is POST. Read the whole response, and return its status."""
    sent = encoded(body if method == "POST" else {})
    response: Any = browser.generic(method, address, **sent, **more)
    if response.streaming:
        b"".join(response.streaming_content)
    return response.status_code


def _new_key(maker: Client, holder: User, *, viewed: bool) -> tuple[ApiKey, str]:
    """Generate a key, view it if ``viewed``, and give it to ``holder``, because a User can't generate keys."""
    tab = Tab()
    key = generate(maker, tab)
    secret = ""
    if viewed:
        secret = tab.open(claim(maker, key).json()["sealed"], key_id=key.pk, user_id=key.owner_id)
    ApiKey.objects.filter(pk=key.pk).update(owner=holder)
    return key, secret


def _rotation(key: ApiKey) -> Rotation:
    """Create the rotation of ``key`` to another key of the same owner."""
    ApiKey.objects.filter(pk=key.pk).update(lineage=key.pk, generation=1)
    new = a_key(key.owner, lineage=key.pk, generation=2, state=State.REQUESTED, cerby_id=None, stored_at=None)
    return a_rotation(key, new)


def _request(key: ApiKey) -> AccessRequest:
    """Ask for a key as the owner of ``key``."""
    act = {
        "kind": "generate",
        "name": uuid.uuid4().hex,
        "purpose": "P",
        "scopes": ["read:users", "read:teams"],
        "lasts": 86_400,
        "expires_at": None,
        "ownership": asdict(Ownership()),
        "rotates": None,
    }
    return open_request(key.owner.as_actor(), RequestKind.GENERATE, act, reason="To test.", needed=1)


def _newcomer(sandbox: Sandbox) -> str:
    email = f"{uuid.uuid4().hex}@contenzilla.example"
    sandbox.add_person(email=email, first_name="New", last_name="Person", role="workspace_user")
    return email


def _address(name: str, key: ApiKey, asker: User) -> str:
    if name == "account_reset_password_from_key":
        return reverse(name, kwargs={"uidb36": "1", "key": "too-old"})
    if name in ABOUT_AN_EVENT:
        event = an_event()
        event.save()
        seal_all(uuid.UUID(int=1))
        sign()
        return reverse(name, kwargs={"uid": event.uid})
    if name in OF_A_VIEW and not name.endswith("-save"):
        page = "activity" if "activity" in name else "inventory"
        saved = SavedView.objects.create(user=asker, page=page, name=uuid.uuid4().hex, query="q=x")
        return reverse(name, kwargs={"view_id": saved.pk})
    if name in HELP:
        return reverse(name, kwargs={"name": HELP[name]})
    if name in ABOUT_A_PERSON:
        person = User(email=f"{uuid.uuid4().hex}@contenzilla.example", cerby_id=uuid.uuid4(), role=Role.GUEST)
        person.added_at, person.is_active = timezone.now(), True
        person.save()
        return reverse(name, kwargs={"user_id": person.pk})
    about: dict[str, Any] = {"user_id": key.owner_id} if name in OF_AN_OWNER else {}
    about |= _of_notifications(name, asker) | _of_policy(name, asker)
    if name == "keys:account-session-end":
        about = {"handle": uuid.uuid4()}
    if name in {"keys:passkey-rename", "keys:passkey-remove"}:
        about = {"passkey_id": 1}
    about |= _of_a_process(name, key)
    if name.startswith("keys:bulk") and name not in {"keys:bulk-select", "keys:bulk-count"}:
        about = {"selection_id": a_selection(asker, key).pk}
    return reverse(name, kwargs=about | ({"key_id": key.pk} if name in WITH_KEY else {}))


def _of_policy(name: str, asker: User) -> dict[str, Any]:
    if name in {f"keys:exceptions-{act}" for act in ("grant", "decline", "end")}:
        other = User.objects.exclude(pk=asker.pk).order_by("pk")[0]
        return {"exception_id": an_exception(a_key(other), other).pk}
    if name not in {f"keys:policy-{act}" for act in ("version", "approve", "decline", "withdraw")}:
        return {}
    PolicyVersion.objects.all().delete()
    author = User.objects.exclude(pk=asker.pk).order_by("pk")[0]
    return {"number": a_version(author, enforced(TEAM={})).number}


def _of_a_process(name: str, key: ApiKey) -> dict[str, Any]:
    if name.startswith("keys:rotation") and name != "keys:rotations":
        return {"rotation_id": _rotation(key).pk}
    if name.startswith("keys:request") and name != "keys:requests":
        return {"request_id": _request(key).pk}
    if name.startswith("keys:review") and not name.startswith("keys:reviews"):
        return a_review_with_address(name)
    return {}


def _of_notifications(name: str, asker: User) -> dict[str, Any]:
    if name == "keys:calendar":
        return {"token": "unknown"}
    if name == "keys:inbox-done":
        return {"item_id": an_inbox_item(asker).pk}
    if not name.startswith("keys:channel") or name.startswith("keys:channels"):
        return {}
    channel = a_channel()
    of_one = {"delivery_id": a_delivery(channel).pk} if name == "keys:channel-repeat" else {}
    return {"channel_id": channel.pk, **of_one}


def _bodies(secret: str, vault: str, damaged: int) -> dict[str, dict[str, Any]]:
    password = "nine green bottles hang"
    existing = {
        "name": uuid.uuid4().hex,
        "owner": email_of("owner"),
        "purpose": "P",
        "scopes": ["read:users"],
    }
    csv = "name,owner,expires,purpose,scopes\n{name},{owner},2099-01-01,{purpose},read:users\n".format(
        **existing
    )
    existing |= {"expires_date": "2099-01-01", "version": "0", "reason": "A typo."}
    return {
        **dict.fromkeys(("keys:wizard-details", "keys:wizard-scopes", "keys:wizard-generate"), answers()),
        **{key: {"name": uuid.uuid4().hex, "query": "q=robot&outcome=refused"} for key in OF_A_VIEW},
        "keys:channels-add": {
            "name": uuid.uuid4().hex,
            "sort": "slack",
            "url": "https://127.0.0.1:9/x",
            "kinds": ["key.leaked"],
        },
        **{key: {"reason": "Not now."} for key in ("keys:policy-decline", "keys:exceptions-decline")},
        "keys:channel-edit": {"name": uuid.uuid4().hex, "kinds": ["key.leaked"]},
        "keys:account-time-zone": {"time_zone": "Europe/Berlin"},
        "keys:bulk-start": {"act": "remind"},
        **review_bodies(),
        "keys:rotate": answers() | {"because": "scheduled", "overlap": "7d"},
        "keys:request-deny": {"reason": "Too wide."},
        "keys:request-offer": {"reason": "Less.", "scopes": ["read:users"], "lasts": ""},
        "keys:request-review": {"reason": "Fine."},
        "keys:request-use": {"id": str(uuid.uuid4()), "tab_key": Tab().public},
        "keys:rotation-retire": {"without_proof": "on", "reason": "Nothing uses it."},
        "keys:rotation-extend": {"overlap": "7d", "reason": "A holiday."},
        **{f"keys:rotation-{act}": {"reason": "A leak.", "stops": "on"} for act in ("kill", "call-off")},
        "keys:evidence-download": {"since": "2026-01-01", "until": "2026-01-31"},
        **dict.fromkeys(("keys:register", "keys:correct", "keys:withdraw"), existing),
        "keys:edit": {"version": "0", "purpose": "P", "accountable": email_of("owner")},
        "keys:key-adopt": {"purpose": "Exports the payroll."},
        "keys:key-rescope": {"scope": "read:teams", "on": "false"},
        "keys:paste": {"api_key": secret},
        "keys:reading": {"never_used": "on"},
        "keys:removal-confirm": {"deleted": "on"},
        **{name: {"reason": "A stolen laptop."} for name in ABOUT_A_PERSON},
        "keys:imports": {"file": SimpleUploadedFile("keys.csv", csv.encode())},
        "keys:imports-confirm": {"text": csv},
        "keys:compare": (compared := {"text": "N\t1 Nov 2026\tX\tActive"}),
        "keys:compare-confirm": compared,
        "keys:find": {"text": "a suspicious text"},
        "keys:verification-explain": {"verification": damaged, "explanation": "A backup was restored."},
        "keys:store-save": {"json": {"secret": secret, "vault": vault}},
        "account_login": {"login": email_of("guest"), "password": PASSWORD},
        "account_reauthenticate": {"password": PASSWORD},
        "account_reset_password": {"email": f"{uuid.uuid4().hex}@contenzilla.example"},
        "account_change_password": {"oldpassword": PASSWORD, "password1": password, "password2": password},
    }


def _names(patterns: list[Any], namespace: str = "") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            found |= _names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            found.add(f"{namespace}{pattern.name}")
    return found


def test_every_url_is_in_the_table():
    assert _names(get_resolver().url_patterns) == TABLE.keys()


@pytest.fixture
def expect(ask, nightly):
    """Return a function: send these methods as each person, and expect the status of that person.

    Only ``make nightly`` sends them as everybody; otherwise see ``at_a_border``.
    """

    def expect(name: str, methods: tuple[str, ...], by: dict[str, int]) -> None:
        asked = list(by) if nightly else at_a_border(by)
        for person in asked:  # HEAD has the view of GET, so one person is enough
            sent = [method for method in methods if method != "HEAD" or person == asked[0]]
            assert ask(person, sent, name) == dict.fromkeys(sent, by[person]), person

    return expect


@in_one_test(
    "by, asked",
    [
        (who(200, 403), ["admin", "user", "key_owner", "outsider"]),
        (own(200, others=403), ["owner", "super_admin", "admin", "user", "key_owner", "outsider"]),
        (CHANGED_BY_THE_HIGHEST, ["super_admin", "admin", "key_owner", "outsider"]),
        (everybody(200), ["guest", "key_owner", "outsider"]),
    ],
)
def test_those_are_asked_who_are_next_to_somebody_with_another_status(by, asked):
    assert at_a_border(by) == asked


@pytest.mark.parametrize(("name", "methods", "expected"), cases(TABLE))
def test_status_for_each_person(expect, name, methods, expected):
    expect(name, methods, expected)


@pytest.mark.parametrize(("name", "methods", "expected"), cases(OWNER_ONLY))
def test_status_for_each_person_if_only_owners_manage_keys(expect, settings, name, methods, expected):
    settings.PORTAL_KEY_MANAGEMENT = "owner-only"
    expect(name, methods, expected)


@in_one_test("name", TABLE)
def test_other_methods_are_not_allowed(ask, name):
    person = "outsider" if name == "account_login" else "super_admin"
    others = [method for method in METHODS.split() if method not in " ".join(TABLE[name])]
    assert ask(person, others, name) == dict.fromkeys(others, 405)


def test_an_outsider_is_sent_to_sign_in_and_returns(ask, browser_of):
    assert (
        browser_of("outsider").get("/keys/?status=expired")["Location"]
        == "/accounts/login/?next=/keys/%3Fstatus%3Dexpired"
    )


def test_a_missing_key_looks_like_another_persons_key(browser_of, cast, sandbox):
    ids = a_live_key(sandbox, cast.owner)[0].pk, uuid.uuid4()
    real, unreal = (browser_of("user").get(f"/keys/{key_id}/") for key_id in ids)
    assert (real.status_code, text(real)) == (404, text(unreal))
