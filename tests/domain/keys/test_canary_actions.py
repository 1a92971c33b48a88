"""Search for a known plain text after the key's whole life: it must not be stored or logged anywhere."""

from __future__ import annotations

import base64
import logging
import traceback
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal
from django.core import mail
from django.http import QueryDict
from django.utils import timezone

from keys import cerby
from keys.actions.audit.export_csv import export_activity, export_inventory
from keys.actions.keys.claim import claim_key
from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.keys.rescope import rescope_key
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.crypto import fingerprint
from keys.models import ApiKey, AuditEvent, RevealGrant, Session, User
from keys.rules.errors import CerbyInDoubt, CerbyRefused, Conflict, Gone, Invalid, PortalError
from keys.rules.lifecycle import State
from keys.rules.permissions import Actor
from keys.validation.new_key import KeyRequest
from portal.logs import LOGGING
from tests.cast import actor, signed_in
from tests.pages.journey import Tab
from tests.support import own_database
from tests.support.bad_server import data, listing, refusal, serving, vault
from tests.support.own_database import Address


def shapes(plain: str) -> list[str]:
    """Return the plain text and its encodings, at every offset in a longer text."""
    encoded = [base64.b64encode(b"\0" * lead + plain.encode()).decode()[4:-4] for lead in range(3)]
    return [plain, plain.encode().hex(), plain[::-1], *encoded]


def leaks(plain: str, text: str) -> list[str]:
    return [shape for shape in shapes(plain) if shape in text]


class Journal(logging.Handler):
    """Collect everything that is logged at any level, both as printed and as records."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        described = dict(LOGGING["formatters"]["json"])
        self.printed_by = described.pop("()")(**described)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.getMessage()}\n{vars(record)!r}\n"
        if record.exc_info:
            self.text += "".join(traceback.format_exception(*record.exc_info))
        self.text += self.printed_by.format(record) + "\n"


@pytest.fixture
def journal():
    handler, root = Journal(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def me(committed_cast: Any) -> Actor:
    return actor(committed_cast.admin)


def issued(me: Actor) -> tuple[Tab, KeyRequest]:
    tab = Tab()
    request = KeyRequest(
        id=uuid.uuid4(),
        name=f"Nightly export {uuid.uuid4().hex[:6]}",
        purpose="To test with.",
        expires_at=timezone.now().replace(microsecond=0) + timedelta(days=5),
        scopes=("read:users", "read:items"),
        tab_key=tab.point,
    )
    issue_key(me, request)
    return tab, request


def opened(tab: Tab, me: Actor, request: KeyRequest) -> str:
    sealed = base64.urlsafe_b64encode(claim_key(me, request.id, session="this session")).decode()
    return tab.open(sealed, key_id=request.id, user_id=me.user_id)


def files_of(database: Address) -> str:
    return own_database.everything_in(database).decode("latin-1")


def rows() -> str:
    return repr([list(model.objects.values()) for model in (User, ApiKey, RevealGrant, AuditEvent, Session)])


def outbox() -> str:
    return "".join(str(message.message()) for message in getattr(mail, "outbox", []))


def told(error: BaseException) -> str:
    """Yield the text of the exception and of its causes."""
    chain = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(below)
    said = [f"{one!s} {one!r} {vars(one)!r}" for one in chain]
    return "\n".join([*said, *traceback.format_exception(error)])


def raised(kind: type[PortalError], act: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        act()
    return told(caught.value)


def test_the_plain_text_is_nowhere_after_the_keys_whole_life(
    database, me, committed_cast, workspace, journal
):
    browser = signed_in(committed_cast.admin)
    tab, request = issued(me)
    plain = opened(tab, me, request)
    assert workspace.sandbox.accepts(plain)

    said = [raised(Gone, lambda: claim_key(me, request.id, session="another session"))]
    said += [raised(Invalid, lambda: save_in_cerby(me, request.id, secret=plain + "x", vault_id=None))]
    said += [raised(Invalid, lambda: save_in_cerby(me, request.id, secret=plain, vault_id=None))]
    save_in_cerby(me, request.id, secret=plain, vault_id=uuid.UUID(workspace.vaults[0]))
    said += [raised(Conflict, lambda: save_in_cerby(me, request.id, secret=plain, vault_id=None))]
    rescope_key(me, request.id, "read:items", on=False)
    assert delete_key(me, request.id).state == State.REVOKED
    assert browser.get(f"/keys/{request.id}/").status_code == 200
    exported = [export_inventory(me, QueryDict()), export_activity(me, QueryDict())]

    places = {
        "the database's files": files_of(database),
        "its rows": rows(),
        "the logs": journal.text,
        "the mail": outbox(),
        "errors": "\n".join(said),
        "downloads": repr([[list(row) for row in export.rows] for export in exported]),
        "pages": browser.get(f"/keys/{request.id}/").content.decode()
        + browser.get("/activity/").content.decode(),
        "this session": repr(dict(browser.session)),
    }
    assert {place for place, text in places.items() if leaks(plain, text)} == set()
    assert journal.text.count("\n") > 10


def test_the_search_finds_a_plain_text(database, me):
    """Control: put the plain text in each place in each encoding, and find it."""
    tab, request = issued(me)
    plain = opened(tab, me, request)
    assert not leaks(plain, files_of(database))
    for shape in shapes(plain):
        ApiKey.objects.filter(pk=request.id).update(purpose=f"Keep {shape} safe.")
        assert shape in leaks(plain, files_of(database))
        assert shape in leaks(plain, rows())
    for lead in ("", "1", "12"):
        assert leaks(plain, base64.b64encode(f"{lead}{plain} and more".encode()).decode())


def test_no_objects_repr_contains_it(me, workspace):
    tab, request = issued(me)
    plain = opened(tab, me, request)
    client = cerby.connect()
    stored = fingerprint.compute(plain, peppers=portal.PORTAL_PEPPERS)
    answer = client.issue_key(
        name="Another",
        scopes=["read:users"],
        expires_at=request.expires_at,
        owner_id=me.cerby_id,
        external_id=uuid.uuid4(),
    )
    key = ApiKey.objects.get(pk=request.id)
    for one in (request, key, key.grant, stored, client, me, *AuditEvent.objects.all()):
        assert not leaks(plain, f"{one!r} {one!s} {vars(one) if hasattr(one, '__dict__') else ''!r}")
    assert not leaks(answer.secret, f"{answer!r} {answer!s}")


@pytest.mark.parametrize("quoting", [refusal, lambda status, detail: data({"id": detail}, status)])
@pytest.mark.parametrize("status", [201, 400, 403, 409, 422, 500, 503])
def test_a_cerby_that_quotes_the_secret_is_not_quoted(*, database, me, settings, journal, status, quoting):
    tab, request = issued(me)
    plain = opened(tab, me, request)
    vault_id = uuid.uuid4()
    with serving(
        listing([vault(str(vault_id))]), quoting(status, f"The text {plain} is not welcome.")
    ) as server:
        settings.CERBY_BASE_URL = server.url
        kind = CerbyRefused if 400 <= status < 500 else CerbyInDoubt
        said = raised(kind, lambda: save_in_cerby(me, request.id, secret=plain, vault_id=vault_id))
    assert not leaks(plain, said)
    assert not leaks(plain, journal.text)
    assert not leaks(plain, files_of(database))
    assert not leaks(plain, rows())
