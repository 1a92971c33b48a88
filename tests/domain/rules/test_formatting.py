"""Times, scopes and browsers, formatted for people."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from keys.rules import formatting
from tests.support.cases import in_one_test

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
AUCKLAND = zoneinfo.ZoneInfo("Pacific/Auckland")
_AGES = timedelta(days=10_000)
moments = st.timedeltas(min_value=-_AGES, max_value=_AGES).map(lambda away: NOW + away)


def test_times_are_in_the_readers_time_zone():
    moment = datetime(2026, 11, 3, 12, 5, 9, tzinfo=UTC)
    with timezone.override(BERLIN):
        assert formatting.day(moment) == "3 Nov 2026"
        assert formatting.exact(moment) == "3 November 2026, 13:05:09 CET"
    with timezone.override(AUCKLAND):
        assert formatting.day(moment) == "4 Nov 2026"


def test_summer_time_is_named():
    with timezone.override(BERLIN):
        assert formatting.exact(datetime(2026, 7, 3, 12, 0, tzinfo=UTC)) == "3 July 2026, 14:00:00 CEST"


def test_the_last_day_of_the_calendar_has_no_other_time_zone():
    with timezone.override(AUCKLAND):
        assert formatting.day(datetime.max.replace(tzinfo=UTC)) == "31 Dec 9999"


def test_an_expiry_to_be_confirmed():
    with timezone.override(BERLIN):
        words = formatting.spoken(datetime(2026, 3, 7, 13, 5, tzinfo=UTC), NOW)
    assert words == "Saturday 7 March 2026, 14:05 (Europe/Berlin), in 5 days"


@in_one_test(
    "away, ahead, ago",
    [
        (timedelta(seconds=1), "in less than a minute", "just now"),
        (timedelta(seconds=59), "in less than a minute", "just now"),
        (timedelta(seconds=60), "in 1 minute", "1 minute ago"),
        (timedelta(minutes=2), "in 2 minutes", "2 minutes ago"),
        (timedelta(hours=1), "in 1 hour", "1 hour ago"),
        (timedelta(hours=23), "in 23 hours", "23 hours ago"),
        (timedelta(days=1), "in 1 day", "1 day ago"),
        (timedelta(days=365), "in 365 days", "365 days ago"),
    ],
)
def test_relative_times(away, ahead, ago):
    assert formatting.relative(NOW + away, NOW) == ahead
    assert formatting.relative(NOW - away, NOW) == ago


def test_now_is_just_now():
    assert formatting.relative(NOW, NOW) == "just now"


@given(moments)
def test_every_relative_time_has_the_right_tense(moment):
    words = formatting.relative(moment, NOW)
    assert words.startswith("in ") if moment > NOW else words.endswith((" ago", "just now"))


def test_the_last_use():
    assert formatting.last_used(None, NOW, is_known=True) == "Never"
    assert formatting.last_used(None, NOW, is_known=False) == "Not known"
    for is_known in (True, False):
        assert formatting.last_used(NOW - timedelta(days=29), NOW, is_known=is_known) == "29 days ago"
        assert formatting.last_used(NOW - timedelta(days=30), NOW, is_known=is_known) == "31 Jan 2026"


def test_exported_times_are_in_utc_with_seconds():
    assert formatting.utc(None) == ""
    assert formatting.utc(datetime(2026, 3, 2, 13, 0, 0, 999_999, tzinfo=BERLIN)) == "2026-03-02T12:00:00Z"


@given(moments, st.sampled_from([UTC, BERLIN, AUCKLAND]))
def test_an_exported_time_is_read_as_the_same_moment(moment, zone):
    read = datetime.fromisoformat(formatting.utc(moment.astimezone(zone)))
    assert read == moment.replace(microsecond=0)


def test_scopes_in_words():
    assert formatting.scope_list(["read:items:accounts", "made:up"]) == "Read accounts, made:up"
    assert formatting.scope_summary([]) == "Not known"
    assert formatting.scope_summary(["read:users", "read:items"]) == "Read users, Read items"
    assert (
        formatting.scope_summary(["read:users", "read:items", "read:vaults", "x:y"])
        == "Read users, Read items +2"
    )


CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


@in_one_test(
    "user_agent, words",
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {CHROME} Safari/537.36", "Chrome on Linux"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 OPR/120.0.0.0",
            "Opera on Windows",
        ),
        (f"Mozilla/5.0 (Linux; Android 15; Pixel 9) {CHROME} Mobile Safari/537.36", "Chrome on Android"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36", "Chrome on ChromeOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iOS",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)
def test_a_browser_by_its_name(user_agent, words):
    assert formatting.browser(user_agent) == words


@given(st.text(max_size=1000))
def test_the_name_of_any_client_is_short_and_printable(user_agent):
    name = formatting.browser(user_agent)
    assert len(name) <= 200
    assert name.isprintable()
