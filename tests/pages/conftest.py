"""Clear the cache, because throttling counts there and the cache outlives a test's database; set up sign-in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from keys.oidc import provider as known
from tests.cast import Cast
from tests.support import odd_provider
from tests.support.authenticators import ORIGIN
from tests.support.odd_provider import OddProvider


@pytest.fixture(autouse=True)
def _nothing_counted_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def sso(settings: Any, cast: Cast) -> Iterator[OddProvider]:
    """Start a sign-in provider, and point the portal at it."""
    known.forget()
    with odd_provider.serving() as provider:
        settings.PORTAL_OIDC_ISSUER = provider.issuer
        settings.PORTAL_OIDC_CLIENT_ID = odd_provider.CLIENT
        settings.PORTAL_OIDC_CLIENT_SECRET = odd_provider.SECRET
        yield provider
    known.forget()


@pytest.fixture
def at_an_address_for_passkeys(settings: Any) -> None:
    """Give the portal the address of which the tests' passkeys know."""
    settings.PORTAL_URL = ORIGIN


@pytest.fixture
def own_audit_files(settings: Any, tmp_path: Path) -> None:
    """Let this test's events begin another chain of MACs and another log."""
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
