"""Rotate a pepper or secret key without downtime: the documented order works, another order fails."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from keys.crypto import fingerprint
from keys.models import ApiKey
from keys.rules.lifecycle import State
from keys.selectors.health.peppers import peppers
from tests.cast import PASSWORD, a_key, email_of
from tests.pages.helpers import text
from tests.pages.journey import save, viewed
from tests.support.post_office import deliver

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
BEFORE, KNOWS, USES = {"p1": OLD}, {"p2": NEW, "p1": OLD}, {"p1": OLD, "p2": NEW}
"""A node's settings before the rotation, after its first step and after its second."""


def is_ours(browser: Client, plain: str) -> bool:
    return "Nightly" in text(browser.post("/keys/find/", {"text": plain}))


@pytest.mark.parametrize(
    ("makes", "takes"), [(BEFORE, KNOWS), (KNOWS, BEFORE), (KNOWS, USES), (USES, KNOWS), (USES, USES)]
)
def test_at_each_step_every_node_recognises_what_another_has_made(
    browser_of, workspace, settings, makes, takes
):
    admin = browser_of("admin")
    settings.PORTAL_PEPPERS = makes
    key, plain = viewed(admin, name="Nightly")
    assert ApiKey.objects.get(pk=key.pk).pepper_id == list(makes)[-1]
    settings.PORTAL_PEPPERS = takes
    assert is_ours(admin, plain)
    assert save(admin, key, plain, workspace.vaults[0]).status_code == 200
    assert ApiKey.objects.get(pk=key.pk).state == State.HELD


def test_the_wrong_order_fails(browser_of, workspace, settings):
    admin = browser_of("admin")
    settings.PORTAL_PEPPERS = USES
    key, plain = viewed(admin, name="Nightly")
    settings.PORTAL_PEPPERS = BEFORE
    assert not is_ours(admin, plain)
    assert save(admin, key, plain, workspace.vaults[0]).status_code == 422


def printed(owner, pepper_id: str, number: int, **columns) -> ApiKey:
    digest = fingerprint.compute(
        f"{pepper_id} {number}", peppers=USES | {"p0": OLD}, pepper_id=pepper_id
    ).digest
    return a_key(owner, fingerprint=digest, pepper_id=pepper_id, **columns)


def test_an_operator_sees_when_the_old_pepper_can_go(cast, settings):
    settings.PORTAL_PEPPERS = USES
    old = printed(cast.admin, "p1", 1)
    ended = {"state": State.REVOKED, "removed_at": timezone.now()}
    printed(cast.admin, "p1", 2, **ended)
    printed(cast.admin, "p2", 3)
    a_key(cast.admin)
    said = command()
    assert said == [
        "p1: 1 active key, 2 in all. Keep it.",
        "p2: 1 active key, 1 in all. It is used for new fingerprints.",
    ]
    now = timezone.now()
    ApiKey.objects.filter(pk=old.pk).update(created_at=now - timedelta(days=2), expires_at=now)
    assert command()[0] == "p1: 0 active keys, 2 in all. It can be removed."


def command() -> list[str]:
    out = StringIO()
    call_command("peppers", stdout=out)
    return out.getvalue().splitlines()


def test_health_reports_keys_without_their_pepper(cast, browser_of, settings):
    settings.PORTAL_PEPPERS = {"p2": NEW}
    for number in range(3):
        printed(cast.admin, "p0", number)
    assert [(found.id, found.is_known) for found in peppers()] == [("p2", True), ("p0", False)]
    assert (
        command()[1]
        == "p0: 3 active keys, 3 in all. It is not configured here, so these keys are not recognised."
    )
    said = text(browser_of("admin").get("/settings/health/"))
    assert "p0 : 3 active keys , 3 in all . not configured The portal cannot recognise these keys" in said


def test_the_count_of_keys_is_bounded(cast, settings, django_assert_num_queries):
    settings.PORTAL_PEPPERS = USES
    for pepper_id in ("p0", "p1", "p2"):
        printed(cast.admin, pepper_id, 1)
    with django_assert_num_queries(4 + 2 * 3):
        assert len(peppers()) == 3


@pytest.fixture
def rotate(settings):
    old = settings.SECRET_KEY

    def to_a_new_key(*, keeping: bool) -> None:
        settings.SECRET_KEY = "a-new-secret-key-" * 4
        settings.SECRET_KEY_FALLBACKS = [old] if keeping else []

    return to_a_new_key


@pytest.mark.parametrize("keeping", [True, False])
def test_with_the_old_secret_key_as_a_fallback_nobody_is_signed_out(cast, rotate, keeping):
    browser = Client()
    browser.post("/accounts/login/", {"login": email_of("admin"), "password": PASSWORD})
    assert browser.get("/keys/").status_code == 200
    rotate(keeping=keeping)
    for _ in range(2):
        assert (browser.get("/keys/").status_code == 200) == keeping


@pytest.mark.parametrize("keeping", [True, False])
def test_with_the_old_secret_key_as_a_fallback_password_links_go_on_working(cast, rotate, keeping):
    Client().post("/accounts/password/reset/", {"email": email_of("admin")})
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", str(deliver()[0].body))[1]
    rotate(keeping=keeping)
    page = Client().get(link, follow=True)
    assert ("This link no longer works" not in text(page)) == keeping


def test_nodes_before_and_after_the_second_step_accept_each_others_signatures(cast, settings):
    """First step on several nodes: add the new key as a fallback."""
    old, new = settings.SECRET_KEY, "a-new-secret-key-" * 4
    browser = Client()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]  # a node after the second step
    browser.post("/accounts/login/", {"login": email_of("admin"), "password": PASSWORD})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = old, [new]  # a node after the first step
    assert browser.get("/keys/").status_code == 200
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    assert browser.get("/keys/").status_code == 200
