"""During a pause the portal creates no key, and everything else continues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from keys.actions.keys.delete import delete_key
from keys.actions.keys.issue import issue_key
from keys.actions.sync.sweep import sweep
from keys.models import ApiKey, AuditEvent, Pause
from keys.rules.errors import CerbyPaused, CerbyTooMany
from keys.rules.lifecycle import State
from tests import cast as people
from tests.cast import a_live_key
from tests.sandbox.faults import ISSUE
from tests.support.asking import a_request
from tests.support.background import asked

MINUTE = timedelta(minutes=1)


@pytest.fixture
def me(cast, sandbox):
    return people.actor(cast.admin)


def posts(sandbox) -> int:
    return len(asked(sandbox, "POST", path="/api/v1/api-keys"))


def told_to_wait(me, sandbox, fault: str = "429", **options) -> None:
    """Send one create request that Cerby answers with 429."""
    sandbox.faults.set([{"fault": fault, "route": ISSUE, "count": 1, **options}])
    request = a_request(name="The first")
    with pytest.raises(CerbyTooMany):
        issue_key(me, request)
    assert ApiKey.objects.get(pk=request.id).state == State.REFUSED


def let_it_end() -> None:
    ago = Pause.active_until() - timezone.now() + timedelta(seconds=1)
    Pause.objects.update(since=F("since") - ago, until=F("until") - ago)


@pytest.mark.parametrize(
    ("fault", "options", "minutes"),
    [
        ("429", {}, 5),
        ("429-seconds", {"seconds": 7}, 5),
        ("429-seconds", {"seconds": 2400}, 40),
        ("429-seconds", {"seconds": 86_400}, 60),
        ("429-date", {"seconds": 1200}, 20),
        ("429-date", {"seconds": -3600}, 5),
    ],
)
def test_it_lasts_five_minutes_or_longer_if_cerby_says_so_but_never_over_an_hour(
    me, sandbox, fault, options, minutes
):
    told_to_wait(me, sandbox, fault, **options)
    assert Pause.active_until() - timezone.now() == pytest.approx(minutes * MINUTE, abs=timedelta(seconds=5))
    event = AuditEvent.objects.get(type="pause:start")
    assert (event.actor_name, event.details) == ("The portal", {"until": Pause.active_until().isoformat()})


def test_until_it_ends_nothing_is_sent_or_recorded(me, sandbox):
    told_to_wait(me, sandbox)
    request = a_request(name="The second")
    with pytest.raises(CerbyPaused, match=r"Cerby asked the portal to wait until \d\d:\d\d UTC") as caught:
        issue_key(me, request)
    assert 0 < caught.value.retry_after <= 300
    assert not ApiKey.objects.filter(pk=request.id).exists()
    assert posts(sandbox) == 1
    let_it_end()
    assert Pause.active_until() is None
    issue_key(me, request)
    assert ApiKey.objects.get(pk=request.id).state == State.READY


def test_further_requests_do_not_extend_it_and_later_answers_do_not_shorten_it(me, sandbox):
    told_to_wait(me, sandbox, "429-seconds", seconds=1800)
    until = Pause.active_until()
    with pytest.raises(CerbyPaused):
        issue_key(me, a_request(name="Another"))
    assert Pause.active_until() == until
    assert AuditEvent.objects.filter(type="pause:start").count() == 1


ANOTHER_PROCESS = {
    "sqlite": """
        CREATE TRIGGER another_process AFTER UPDATE ON keys_apikey WHEN NEW.state = 'calling'
        BEGIN UPDATE keys_pause SET until = datetime('now', '+5 minutes'); END
    """,
    "postgresql": """
        CREATE FUNCTION another_process() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN UPDATE keys_pause SET until = now() + interval '5 minutes'; RETURN NULL; END
        $$;
        CREATE TRIGGER another_process AFTER UPDATE ON keys_apikey FOR EACH ROW WHEN (NEW.state = 'calling')
            EXECUTE FUNCTION another_process();
    """,
}


def test_a_recorded_request_is_not_sent_if_a_pause_has_started(me, sandbox):
    """Another process got the 429 after this one had recorded its call."""
    Pause.objects.create(what="create", since=timezone.now() - MINUTE, until=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(ANOTHER_PROCESS[connection.vendor])
    request = a_request()
    with pytest.raises(CerbyPaused):
        issue_key(me, request)
    assert posts(sandbox) == 0
    key = ApiKey.objects.get(pk=request.id)
    assert (key.state, key.failure[:31]) == (State.REFUSED, "Cerby asked the portal to wait ")


def test_a_double_click_still_returns_the_first_key(me, sandbox):
    request = a_request()
    issue_key(me, request)
    told_to_wait(me, sandbox)
    assert issue_key(me, request) == request.id


def test_deletions_and_sweeps_continue(me, sandbox, cast):
    key, plain = a_live_key(sandbox, cast.admin)
    told_to_wait(me, sandbox)
    delete_key(me, key.pk)
    assert not sandbox.accepts(plain)
    assert sweep().revoked == 0
