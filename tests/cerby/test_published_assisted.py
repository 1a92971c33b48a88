"""In assisted mode, the portal asks for nothing that Cerby does not publish."""

from __future__ import annotations

import re
import uuid

import pytest
from django.utils import timezone

from keys import cerby
from keys.actions.keys.confirm_removal import confirm_removal
from keys.actions.keys.delete import delete_key
from keys.actions.keys.match_cerby_id import match_cerby_id
from keys.actions.keys.reconcile import reconcile_due
from keys.actions.keys.rescope import rescope_key
from keys.actions.keys.save_in_cerby import save_in_cerby
from keys.jobs.schedule import make_rows
from keys.jobs.tasks import people as people_job
from keys.jobs.tasks import sweep as sweep_job
from keys.models import ApiKey, PeriodicJob
from keys.rules.errors import (
    CerbyRefused,
    Conflict,
)
from keys.rules.lifecycle import State
from tests.cast import a_key, actor, signed_in
from tests.cerby.conftest import PLAIN

PUBLISHED = re.compile(
    r"GET /api/v1/(users|users/[^/]+|vaults|secrets|secrets/[^/]+|accounts|teams|integrations"
    r"|secrets/[^/]+/members/users)|POST /api/v1/secrets(/[^/]+/members/users)?"
)


def test_in_assisted_mode_nothing_unpublished_is_asked(published, vault, claimed, ada):
    known = a_key(ada, state=State.HELD)  # from direct mode, with Cerby's id
    make_rows()
    sweep_job.func()
    assert PeriodicJob.objects.get(name="sweep").succeeded
    people_job.func()
    save_in_cerby(actor(ada), claimed.pk, secret=PLAIN, vault_id=vault)
    for key in (claimed, known):
        assert delete_key(actor(ada), key.pk).state == State.REVOKING
        ApiKey.objects.filter(pk=key.pk).update(due_at=timezone.now())
        reconcile_due()
        assert confirm_removal(actor(ada), key.pk).state == State.REVOKED
    due = a_key(ada, state=State.CLAIMED, due_at=timezone.now())
    reconcile_due()
    match_cerby_id(due, None)
    with pytest.raises(Conflict):
        rescope_key(actor(ada), due.pk, "read:items", on=True)
    browser = signed_in(ada)
    for path in ("/", "/keys/", f"/keys/{due.pk}/", f"/keys/{due.pk}/store/", "/settings/health/"):
        assert browser.get(path).status_code == 200
    browser.post("/roles/refresh/")
    asked = {f"{method} {path}" for method, path, _ in published.requests}
    assert asked
    assert not [one for one in asked if not PUBLISHED.fullmatch(one)]


def test_in_assisted_mode_no_call_of_key_management_is_sent(published, settings):
    settings.CERBY_TOKEN = "tok"
    client, some = cerby.connect(), uuid.uuid4()
    for call in (
        lambda: list(client.keys()),
        lambda: client.key(some),
        lambda: client.delete_key(some),
        lambda: client.rescope_key(some, ["read:users"]),
        lambda: client.keys_by_external_id(some),
        lambda: client.issue_key(
            name="N", scopes=[], expires_at=timezone.now(), owner_id=some, external_id=some
        ),
    ):
        with pytest.raises(CerbyRefused, match="publishes no call"):
            call()
    assert published.requests == []
