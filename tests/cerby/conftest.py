"""Serve an imitation of Cerby's published API, which shares no code with the sandbox, to the portal."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from keys.actions.people.add import add_person
from keys.crypto import fingerprint
from keys.models import ApiKey, User
from keys.rules.lifecycle import State
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from tests.cast import a_key
from tests.house.test_logs import printed  # noqa: F401 - a fixture
from tests.support.published_cerby import Cerby, serving

SCOPES = ("read:users", "read:vaults", "read:items:secrets", "write:items:secrets")


@pytest.fixture
def published(settings, db):
    """Yield the imitation with an Owner, an Admin and a User, and point the portal at it in assisted mode."""
    with serving(Cerby()) as imitation:
        owner = imitation.add_user("olivia.owner@acme.example", "workspace_owner")
        imitation.add_user("ada.admin@acme.example", "workspace_admin")
        imitation.add_user("una.user@acme.example", "workspace_user")
        settings.CERBY_BASE_URL = imitation.url
        settings.CERBY_TOKEN = ""
        settings.CERBY_API_KEY = imitation.add_key(owner, *SCOPES)
        settings.CERBY_ISSUE_MODE = "assisted"
        yield imitation


def user_of(published: Cerby, email: str) -> dict:
    return next(user for user in published.users if user["attributes"]["email"] == email)


def alerts() -> dict[str, str]:
    return {alert.kind: alert.words for alert in active_alerts(timezone.now(), audit_health())}


PLAIN = "cerby-4f1d9c0e7a8b4c6d9e0f1a2b3c4d5e6f"


@pytest.fixture
def vault(published) -> uuid.UUID:
    published.add_vault("Old", state="disabled")
    published.add_vault("On laptops", scheme="local_encryption_key")
    return uuid.UUID(published.add_vault("Automation"))


@pytest.fixture
def ada(published) -> User:
    return add_person("ada.admin@acme.example")


@pytest.fixture
def claimed(ada, clock, settings) -> ApiKey:
    """Create a key of Ada's that is viewed or pasted, and waits to be stored."""
    printed_key = fingerprint.compute(PLAIN, peppers=settings.PORTAL_PEPPERS)
    return a_key(
        ada,
        name="Nightly",
        state=State.CLAIMED,
        origin="pasted",
        cerby_id=None,
        stored_at=None,
        pepper_id=printed_key.pepper_id,
        fingerprint=printed_key.digest,
        last_four=PLAIN[-4:],
    )


@pytest.fixture
def clock(published, monkeypatch):
    """Let the imitation's clock be ours, because a lost secret is recognised by its time."""
    make = published._make_secret

    def made_now(*asked):
        secret = make(*asked)
        secret["attributes"]["createdAt"] = timezone.now().replace(tzinfo=None).isoformat()
        return secret

    monkeypatch.setattr(published, "_make_secret", made_now)
