"""Test that second factors which somebody changed in the database are found and not accepted."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from keys.actions.factors.add import add_app, add_passkey
from keys.actions.factors.make_codes import make_codes
from keys.actions.factors.remove import remove_factor
from keys.actions.factors.reset import reset_factors
from keys.actions.factors.use import use_code, use_passkey
from keys.actions.people.erase import erase_person
from keys.evidence.factor_rows import changed_factors
from keys.models import AuditEvent, User
from keys.models.factor import APP, CODES, PASSKEY
from tests.cast import actor
from tests.support.authenticators import code_of, hold_clock

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def me(cast):
    return actor(cast.admin)


@pytest.fixture
def codes(me) -> list[str]:
    """Add an app and a passkey, and return the recovery codes."""
    codes = add_app(me, SECRET, code_of(SECRET, periods=-1))
    assert add_passkey(me, "Laptop", {"id": "a credential"}) == []
    return codes


def row(kind: str) -> Authenticator:
    return Authenticator.objects.get(type=kind)


def found() -> list[str]:
    return [one.words.partition(": ")[2] for one in changed_factors()]


def test_what_the_portal_does_is_no_contradiction(cast, me, codes):
    assert use_code(me, codes[0], recovery=True)
    assert use_code(me, code_of(SECRET), recovery=False)
    assert found() == []
    make_codes(me, replaces=row(CODES).pk)
    remove_factor(me, row(APP).pk)
    assert found() == []
    reset_factors(actor(cast.owner), cast.admin.pk, reason="A lost phone.")
    assert not Authenticator.objects.exists()
    assert found() == []


def test_an_inserted_row_is_found_and_not_accepted(cast, codes):
    stolen = row(PASSKEY)
    stolen.pk, stolen.user = None, cast.owner
    stolen.save()
    assert not use_passkey(stolen)
    assert found() == ["a second factor (passkey) is stored, and no event says that it was added."]
    stolen.data = {"name": "Mine", "credential": {"id": "another"}}
    stolen.save()
    assert not use_passkey(stolen)
    assert found() == ["a second factor (passkey) is stored, and no event says that it was added."]


def test_a_changed_row_is_found_and_not_accepted(me, codes):
    passkey = row(PASSKEY)
    passkey.data["credential"] = {"id": "another"}
    passkey.save()
    app = row(APP)
    app.data["secret"] = row(CODES).data["seed"]
    app.save()
    assert not use_passkey(passkey)
    assert len(found()) == 2


def test_a_deleted_row_is_found(codes):
    row(APP).delete()
    assert found() == ["the row of a second factor (app) was deleted."]


def test_a_used_recovery_code_that_works_again_is_found(me, codes):
    before = row(CODES).data
    assert use_code(me, codes[0], recovery=True)
    Authenticator.objects.filter(type=CODES).update(data=before)
    assert found() == ["10 recovery codes are left in the row, and 9 in the log."]


def test_a_secret_that_no_key_opens_is_refused_and_found(me, codes, settings):
    settings.SECRET_KEY = "another " * 8
    assert use_code(me, code_of(SECRET), recovery=True) is None
    assert len(found()) == 2


def test_an_erased_person_has_none(cast, codes):
    User.objects.filter(pk=cast.admin.pk).update(is_active=False, added_at=None, left_at=timezone.now())
    erase_person(None, cast.admin.email)
    assert not Authenticator.objects.exists()
    assert found() == []
    reset = AuditEvent.objects.get(type="factor:reset")
    assert (reset.personal, reset.salt) == ({}, None)


def test_a_code_counts_for_its_period_and_the_neighbours(me, monkeypatch):
    code = code_of(SECRET)
    add_app(me, SECRET, code_of(SECRET, periods=-1))
    for periods, accepted in ((2, False), (-2, False), (1, True), (0, False)):
        with monkeypatch.context() as later:
            hold_clock(later, periods=periods)
            assert bool(use_code(me, code, recovery=False)) == accepted
