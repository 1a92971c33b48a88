"""Test large groups of the comparison with Cerby's web app, which are carried out in several transactions."""

from __future__ import annotations

import pytest

from keys.actions.compare import confirm_group
from keys.models import ApiKey
from keys.rules.lifecycle import Phase
from tests.pages.helpers import events, messages_of
from tests.pages.test_compare import declared, names_in, paste, press, row
from tests.support.row_check import wrong_keys


@pytest.fixture
def admin(browser_of, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    return browser_of("admin")


class Died(BaseException):
    """Stands for the end of the process: no code of the portal catches it."""


def between_batches(monkeypatch, act) -> None:
    """Carry out two keys in each transaction, and ``act`` before each but the first."""
    monkeypatch.setattr(confirm_group, "AT_ONCE", 2)
    monkeypatch.setattr("time.sleep", lambda _: act())


def five(status="Active") -> list[str]:
    return [row(f"Key {number}", status=status) for number in range(5)]


def test_others_can_write_during_a_large_confirmation(admin, cast, monkeypatch):
    """On SQLite, one transaction for all rows kept everybody else from writing for twenty seconds."""
    written = []
    between_batches(monkeypatch, lambda: written.append(ApiKey.objects.exclude(seen_at=None).count()))
    press(admin, paste(admin, *five()), "missing-here", purpose="Exports.")
    assert (written, ApiKey.objects.count()) == ([2, 4], 5)
    [compared] = events(type="inventory:compare")
    assert compared.details["count"] == 5
    assert {event.details["part_of"] for event in events(type="key:confirm")} == {compared.details["part_of"]}
    assert wrong_keys() == []


def test_the_same_paste_goes_on_after_the_process_died(admin, cast, monkeypatch):
    def die():
        raise Died

    for group_name, status in (
        ("missing-here", "Active"),
        ("confirmed", "Active"),
        ("removed-there", "Removed"),
    ):
        shown = paste(admin, *five(status))
        with monkeypatch.context() as dying:
            between_batches(dying, die)
            with pytest.raises(Died):
                press(admin, shown, group_name, purpose="Exports.")
        assert press(admin, shown, group_name, purpose="Exports.").status_code == 409
        again = paste(admin, *five(status))
        assert len(names_in(again, group_name)) == (5 if group_name == "confirmed" else 3)
        assert "Nothing was changed" not in messages_of(press(admin, again, group_name, purpose="Exports."))
    assert ApiKey.objects.filter(phase=Phase.REMOVED).count() == ApiKey.objects.count() == 5
    assert len(events(type="inventory:compare")) == 3
    assert len(events(type="key:declare-removed")) == len(events(type="key:register")) == 5
    assert wrong_keys() == []


def test_a_key_that_somebody_changes_between_two_batches_stays_as_it_is(admin, cast, monkeypatch):
    shown = paste(admin, *five(), row("Key 5", by="Admin Person"), row("Key 5"))
    between_batches(
        monkeypatch,
        lambda: ApiKey.objects.filter(name="Key 4").exists() or declared(cast.owner, name="Key 4"),
    )
    done = press(admin, shown, "missing-here", purpose="Exports.")
    assert "6 keys are adopted" in messages_of(done)
    assert sorted(ApiKey.objects.values_list("name", flat=True)) == [*(f"Key {n}" for n in range(6)), "Key 5"]
    assert ApiKey.objects.get(name="Key 4").seen_at is None


def test_rows_with_the_same_name_and_person_are_adopted_together(admin, cast, monkeypatch):
    between_batches(monkeypatch, lambda: None)
    rows = [row("Same", created=f"Nov {day}, 2026") for day in range(3, 10)]
    done = press(admin, paste(admin, *rows, row("Other")), "missing-here", purpose="Exports.")
    assert "8 keys are adopted" in messages_of(done)
    assert ApiKey.objects.filter(name="Same", holds_name=1).count() == 1
