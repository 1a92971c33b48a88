"""Test the schedule: each job runs once per period, also with many workers and after a worker died."""

from __future__ import annotations

import itertools
import signal
from datetime import datetime, timedelta

from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from keys.jobs.schedule import JOBS, enqueue_due, make_rows
from keys.jobs.tasks import sweep, tidy
from keys.models import PeriodicJob
from tests.support.own_database import Address
from tests.support.racing import race
from tests.support.workers import PATIENCE, Workers, due_again, noted, wait_until


def test_every_job_is_due_at_once_and_then_once_per_period(db):
    make_rows()
    make_rows()
    now = timezone.now()
    assert set(enqueue_due(now)) == JOBS.keys()
    assert enqueue_due(now) == []
    soonest = min(JOBS, key=lambda name: JOBS[name].every)
    assert enqueue_due(now + JOBS[soonest].every - timedelta(seconds=1)) == []
    assert enqueue_due(now + JOBS[soonest].every) == [soonest]
    assert DBTaskResult.objects.count() == len(JOBS) + 1


def enqueue(_number: int, now: str) -> list[str]:
    return enqueue_due(datetime.fromisoformat(now))


def test_only_one_of_many_workers_enqueues_a_job(database: Address):
    make_rows()
    longest = max(job.every for job in JOBS.values())
    times = [str(timezone.now() + number * longest) for number in range(5)]
    answers = race(database, f"{__name__}:enqueue", times, processes=4)
    assert [sorted(itertools.chain(*names)) for names in answers] == [sorted(JOBS)] * len(times)
    assert DBTaskResult.objects.count() == len(JOBS) * len(times)


def test_a_run_is_recorded_even_if_cerby_is_down(db, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    settings.CERBY_TOKEN = "token"
    make_rows()
    sweep.func()
    row = PeriodicJob.objects.get(name="sweep")
    assert row.succeeded is False
    assert "Cerby could not be asked" in row.summary
    assert row.started_at <= row.finished_at


def test_old_results_are_deleted_even_if_their_worker_died(db):
    make_rows()
    enqueue_due()
    DBTaskResult.objects.update(enqueued_at=timezone.now() - timedelta(hours=2), status="RUNNING")
    tidy.func()
    assert not DBTaskResult.objects.exists()
    assert PeriodicJob.objects.get(name="tidy").summary == f"Sessions removed: 0; task results: {len(JOBS)}"


def test_a_job_whose_worker_is_killed_runs_again_within_a_period(
    committed_cast, database, sandbox, settings, tmp_path
):
    workers = Workers(tmp_path, database, settings)
    sandbox.faults.set([{"fault": "hang-uncommitted", "route": "GET /api/v1/api-keys", "seconds": 15}])
    with workers.one() as first:
        wait_until(noted("sweep", started_at__isnull=False))
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert noted("sweep", finished_at=None)()
    sandbox.faults.clear()

    due_again("sweep")  # a period has passed
    with workers.one() as second:
        wait_until(noted("sweep", succeeded=True))
        second.send_signal(signal.SIGTERM)
        assert second.wait(PATIENCE) == 0
    assert noted("sweep", summary__startswith="1 of 1 live keys confirmed, 1 discovered")()
