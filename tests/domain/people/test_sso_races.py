"""Two requests at the same moment: one uses the visit to the provider, and one gets the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from keys.actions.sso import find, take
from keys.actions.sso.begin import begin_sign_in, name_of
from keys.actions.sso.find import find_person
from keys.actions.sso.link import link_person
from keys.models import AuditEvent, SsoLink, SsoRequest
from keys.rules.errors import Conflict
from keys.rules.sso import Claims
from tests.cast import email_of

BROWSER = "b" * 64


@pytest.fixture(autouse=True)
def _provider(settings):
    settings.PORTAL_OIDC_ISSUER = "https://login.example.com"


def careless(state: str, sessions: list[str]) -> SsoRequest | None:
    """The known-bad control: take a request without looking whether it is still there."""
    row = SsoRequest.objects.filter(pk=name_of(state), session__in=sessions).first()
    SsoRequest.objects.filter(pk=name_of(state)).delete()
    return row


def taken_twice(taker: Callable[[str, list[str]], SsoRequest | None]) -> int:
    """Let a second request take the row between the read and the delete of the first. Return how many got it."""
    state = begin_sign_in(BROWSER, next_path="", kept="")
    got: list[SsoRequest | None] = []

    def meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE") and not got:
            got.append(None)  # once
            got.append(taker(state, [BROWSER]))
        return execute(sql, *rest)

    with connection.execute_wrapper(meanwhile):
        got.append(taker(state, [BROWSER]))
    return len(list(filter(None, got)))


def test_of_two_requests_with_one_state_one_gets_in(db):
    assert taken_twice(take.take_request) == 1
    assert taken_twice(careless) == 2


def test_of_two_first_sign_ins_with_one_account_one_is_linked(cast, monkeypatch):
    claims = Claims(
        "https://login.example.com",
        "id-of-admin",
        email_of("admin"),
        email_verified=True,
        auth_time=None,
        acr="",
    )

    def meanwhile(user: Any) -> bool:
        """Run after the first request saw that nobody is linked, and before it writes."""
        link_person(cast.owner, claims, ip="", browser="")
        return True

    monkeypatch.setattr(find, "confirm", meanwhile)
    with pytest.raises(Conflict, match="linked in another browser"):
        find_person(claims, ip="", browser="")
    assert [link.user for link in SsoLink.objects.select_related("user")] == [cast.owner]
    assert AuditEvent.objects.filter(type="sso:link").count() == 1
