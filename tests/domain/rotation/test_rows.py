"""Rotations that somebody changes in the database, without the portal, contradict the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.actions.lineage.advance import advance_due
from keys.actions.rotation.call_off import call_off
from keys.actions.rotation.extend import extend_overlap
from keys.actions.rotation.kill import kill_old_key
from keys.actions.rotation.retire import retire_old_key
from keys.evidence.rotation_rows import changed_rotations
from keys.evidence.row_check import contradictions
from keys.models import ApiKey, Rotation
from tests import cast as people
from tests.cast import a_key
from tests.domain.rotation.steps import DAY, HOUR, a_rotation, again, an_old_key, begin, see, stored
from tests.support.cases import case

AN_HOUR_AGO = timezone.now() - timedelta(hours=1)
ATTACKS: dict[str, dict[str, Any]] = {
    "state": {"state": "quiet"},
    "end": {"state": "retired", "ended_at": AN_HOUR_AGO, "proof": "quiet"},
    "reason": {"because": "policy"},
    "length": {"overlap": 1},
    "deadline": {"overlap_until": timezone.now() + 300 * DAY},
    "silence": {"quiet_after": 1},
    "starter": {"started_by": "owner"},
    "start": {"started_at": AN_HOUR_AGO},
    "storing": {"stored_at": AN_HOUR_AGO},
    "cut-over": {"used_at": AN_HOUR_AGO},
    "return": {"returned_at": AN_HOUR_AGO},
    "quiet since": {"quiet_at": AN_HOUR_AGO},
    "old key": {"old": "other"},
    "new key": {"new": "other"},
}


def words() -> list[str]:
    return [one.words for one in changed_rotations()]


def test_a_rotation_that_somebody_changes_in_the_database_contradicts_the_log(cast, sandbox):
    rotation, untouched = (stored(sandbox, cast.admin, name=name) for name in ("Changed", "Untouched"))
    others = {"other": a_key(cast.admin), "owner": cast.owner}
    assert words() == []
    for name, columns in ATTACKS.items():
        with case(name):
            values = {column: others.get(value, value) for column, value in columns.items()}
            before = Rotation.objects.values(*columns).get(pk=rotation.pk)
            Rotation.objects.filter(pk=rotation.pk).update(**values)
            found = words()
            assert all(any(f"{column}" in one for one in found) for column in columns), found
            assert str(untouched.pk) not in " ".join(found)
            Rotation.objects.filter(pk=rotation.pk).update(**before)
    ApiKey.objects.filter(pk=rotation.new_id).update(lineage=None, generation=None)
    assert [str(rotation.pk) in one for one in words()] == [True], "no page would show the rotation"
    ApiKey.objects.filter(pk=rotation.new_id).update(lineage=rotation.old.pk, generation=2)
    Rotation.objects.filter(pk=rotation.pk).delete()
    invented = a_rotation(an_old_key(sandbox, cast.admin), a_key(cast.admin))
    found = words()
    assert [str(one.pk) in line for one, line in zip((rotation, invented), found, strict=True)] == [True] * 2
    assert set(found) <= {one.words for one in contradictions()}


def test_no_rotation_that_went_through_the_portal_contradicts_the_log(cast, sandbox):
    me, now = people.actor(cast.admin), timezone.now()
    names = {"Retired": DAY, "Killed": DAY, "Called off": DAY, "Overdue": timedelta(), "Late": timedelta()}
    retired, killed, called_off, overdue, late = (
        stored(sandbox, cast.admin, name=name, overlap=overlap) for name, overlap in names.items()
    )
    advance_due()
    see(retired, as_of=now + HOUR, new=now + HOUR)
    see(retired, as_of=now + 30 * HOUR)
    see(retired, as_of=now + 31 * HOUR, old=now + 31 * HOUR)
    assert again(retired).returned_at
    assert words() == []
    see(retired, as_of=now + 40 * HOUR, old=now + 40 * HOUR, new=now + 40 * HOUR)
    see(retired, as_of=now + 65 * HOUR)
    assert again(retired).quiet_at
    assert words() == []
    extend_overlap(me, retired.pk, overlap=30 * DAY, reason="Somebody is on leave.")
    retire_old_key(me, retired.pk)
    kill_old_key(me, killed.pk, reason="It leaked.")
    call_off(me, called_off.pk, reason="The wrong key.")
    assert words() == []
    begin(cast.admin, called_off.old, name="A second one", overlap=timedelta())
    begin(cast.admin, killed.new, name="The third generation")
    see(late, as_of=now + HOUR, new=now + HOUR)
    assert again(late).used_at
    extend_overlap(me, overdue.pk, overlap=DAY, reason="Not yet.")
    assert (again(overdue).state, again(late).state) == ("overlap", "overdue")
    assert words() == []
