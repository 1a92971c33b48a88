"""The plain text of a key never gets into the audit log, whichever text of an event carries it."""

from __future__ import annotations

import dataclasses

import pytest

from keys.actions.audit.export_csv import export_activity
from keys.actions.saved_views.save_view import save_view
from keys.audit import log
from keys.crypto import fingerprint
from keys.models import AuditEvent, SavedView
from keys.rules import key_text
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.permissions import Actor
from tests.cast import a_key, actor
from tests.support.cases import in_one_test

SHAPED = "sbx_9f3kQ7vLmT2xW8zR4nB6cD1yH5"
LETTERS = "onlyLettersAreInThisKeyOfTheInventory"
"""It does not look like a key, so only its fingerprint tells."""


@pytest.fixture
def admin(cast, settings) -> Actor:
    printed = fingerprint.compute(LETTERS, peppers=settings.PORTAL_PEPPERS)
    a_key(cast.admin, fingerprint=printed.digest, pepper_id=printed.pepper_id)
    return actor(cast.admin)


def stored() -> str:
    rows = AuditEvent.objects.values_list(
        "leaf", "personal", "details", "reason", "browser", "key_name", "actor_name"
    )
    return "".join(f"{bytes(leaf)!r}{rest}" for leaf, *rest in rows)


@pytest.mark.parametrize("secret", [SHAPED, LETTERS])
def test_every_text_of_an_event_is_looked_through(admin, cast, secret):
    known = a_key(cast.admin, name=f"CI {secret}"[:100])
    browser = dataclasses.replace(admin, browser=f"Chrome {secret}", name=secret)
    log.append(Event.KEY_ADOPTED, actor=browser, key=known, reason=f"Because of “{secret}”.", purpose=secret)
    log.append(Event.INVENTORY_SEARCHED, actor=admin, filter=f"search=?key={secret}&x, status=live")
    log.append(
        Event.KEY_CHANGED, actor=None, key=known, before={"name": secret}, after={"name": f"({secret})"}
    )
    log.append(Event.DAMAGE_EXPLAINED, actor=admin, damage=[], explanation=f"https://x.example/{secret}/y")
    assert AuditEvent.objects.filter(type__in=["key:adopt", "key:change", "record:explain"]).count() == 3
    assert secret not in stored()
    assert "[withheld: " in stored()


@pytest.mark.parametrize("secret", [SHAPED, LETTERS])
def test_a_download_with_a_key_in_its_filter(admin, rf, secret):
    export_activity(admin, rf.get("/", {"actor": secret}).GET)
    assert secret not in stored()


def test_a_view_with_a_key_is_not_saved(admin, rf):
    with pytest.raises(Invalid, match="Check"):
        save_view(admin, "activity", rf.get("/", {"actor": SHAPED}).GET, "Mine")
    with pytest.raises(Invalid, match="Check"):
        save_view(admin, "activity", rf.get("/", {"actor": "ada@contenzilla.example"}).GET, SHAPED)
    assert not SavedView.objects.exists()


@in_one_test(
    "text",
    [
        "Nightly-backup-of-production-2026",
        "ada.lovelace.the.first@contenzilla-2026.example",
        "The key 6f1c2a34-9b7e-4d1f-8a55-0c9e1b2d3f40 of 2026-11-23T18:22:01Z",
        "Donaudampfschifffahrtsgesellschaft",
        "key=6f1c2a34-9b7e-4d1f-8a55-0c9e1b2d3f40, since=2026-11-01",
        "GUARDS at trigger keys_auditevent_no_update is missing",
    ],
)
def test_ordinary_words_stay(text):
    assert key_text.redacted(text) == text
