"""Two requests at the same moment: one uses the visit to the provider, and one gets the account."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from keys.actions.sso import find, take
from keys.actions.sso.begin import begin_sign_in, name_of
from keys.actions.sso.find import find_person
from keys.actions.sso.link import link_person
from keys.audit import log
from keys.models import AuditEvent, SsoLink, SsoRequest, User
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.sso import Claims
from tests.cast import Cast, email_of

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


def careless_link(user: User, claims: Claims, *, ip: str, browser: str) -> SsoLink:
    """The known-bad control: take over the row of another request instead of refusing."""
    event = log.append(
        Event.SSO_LINKED,
        actor=user.as_actor(ip=ip, browser=browser),
        person=str(user.pk),
        email=user.email,
        provider=claims.issuer,
        subject=claims.subject,
    )
    values = {"user": user, "linked_at": timezone.now(), "event_id": event.pk}
    return SsoLink.objects.update_or_create(values, issuer=claims.issuer, subject=claims.subject)[0]


def linked_twice(cast: Cast, monkeypatch: Any, link: Callable[..., SsoLink]) -> tuple[list[User], int]:
    """Let a second request link the account after the first saw that nobody is, and before it writes.

    Return who is linked in the end, and the number of events about it.
    """
    claims = Claims("https://login.example.com", "id-of-admin", email_of("admin"), True, None, "")

    def meanwhile(user: Any) -> bool:
        link(cast.owner, claims, ip="", browser="")
        return True

    monkeypatch.setattr(find, "confirm", meanwhile)
    monkeypatch.setattr(find, "link_person", link)
    with suppress(Conflict):
        find_person(claims, ip="", browser="")
    linked = [one.user for one in SsoLink.objects.select_related("user")]
    return linked, AuditEvent.objects.filter(type="sso:link").count()


def test_of_two_first_sign_ins_with_one_account_one_is_linked(cast, monkeypatch):
    assert linked_twice(cast, monkeypatch, link_person) == ([cast.owner], 1)


def test_a_careless_link_gives_the_account_to_another_person(cast, monkeypatch):
    assert linked_twice(cast, monkeypatch, careless_link) == ([cast.admin], 2)
