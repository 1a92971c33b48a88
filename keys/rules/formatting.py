"""Format times, scopes and browsers for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone

from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from keys.rules.scopes import label

SHOWN_SCOPES = 2
_LONG_AGO = timedelta(days=30)


def in_local_time(moment: datetime) -> datetime:
    """Return ``moment`` in the reader's time zone, or in UTC if the year there would be 0 or 10000."""
    try:
        return timezone.localtime(moment)
    except OverflowError:
        return moment.astimezone(UTC)


def day(moment: datetime) -> str:
    """Return ``3 Nov 2026`` in the reader's time zone."""
    local = in_local_time(moment)
    return f"{local.day} {local:%b %Y}"


def spoken_day(one: date) -> str:
    return f"{one.day} {one:%B %Y}"


def exact(moment: datetime) -> str:
    """Return ``3 November 2026, 14:05:09 CET`` in the reader's time zone."""
    if moment == EXPIRY_NOT_KNOWN:
        return NOT_KNOWN
    local = in_local_time(moment)
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"


def in_utc(moment: datetime) -> str:
    """Return ``3 November 2026, 14:05 UTC``, for mails."""
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def short(moment: datetime) -> str:
    """Return ``30 Nov 12:03`` in the reader's time zone, with the year if it is another one."""
    local = in_local_time(moment)
    year = "" if local.year == timezone.localtime().year else f" {local.year}"
    return f"{local.day} {local:%b}{year} {local:%H:%M}"


def to_the_second(moment: datetime) -> str:
    """Return ``3 Nov 2026, 14:05:09 CET`` in the reader's time zone."""
    local = in_local_time(moment)
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def day_exact_iso(moment: datetime, *, is_known: bool = True) -> tuple[str, str, str]:
    """Return ``day``, ``exact`` and the ISO 8601 time for a table.

    Converting to the reader's time zone once saves half of the cost.
    """
    if moment == EXPIRY_NOT_KNOWN or not is_known:
        return NOT_KNOWN, NOT_KNOWN, ""
    local = in_local_time(moment)
    exact = f"{local.day} {local:%B %Y, %H:%M:%S %Z}"
    return f"{local.day} {local:%b %Y}", exact, local.isoformat(timespec="seconds")


def to_the_minute(moment: datetime) -> str:
    """Return an expiry as a person enters it: ``3 November 2026, 14:05 (Europe/Berlin)``."""
    local = in_local_time(moment)
    return f"{local.day} {local:%B %Y, %H:%M} ({timezone.get_current_timezone_name()})"


def spoken(moment: datetime, now: datetime) -> str:
    """Return an expiry to be confirmed: ``Tuesday 3 November 2026, 14:05 (Europe/Berlin), in 5 days``."""
    local = in_local_time(moment)
    zone = timezone.get_current_timezone_name()
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} ({zone}), {relative(moment, now)}"


def relative(moment: datetime, now: datetime) -> str:
    """Return ``in 5 days``, ``2 hours ago`` or ``just now``."""
    ahead = moment > now
    seconds = int(abs((moment - now).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = round(seconds / size) if seconds >= size else 0
        if count:
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"in {words}" if ahead else f"{words} ago"
    return "in less than a minute" if ahead else "just now"


def clock(moment: datetime) -> str:
    """Return ``12:07 CET`` in the reader's time zone, rounded up so that ``moment`` has passed by then."""
    rounded = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"{in_local_time(rounded):%H:%M %Z}"


def duration(amount: timedelta) -> str:
    """Write ``amount`` in whole days or hours, such as "7 days"."""
    hours = round(amount.total_seconds() / 3600)
    count, unit = (hours // 24, "day") if hours >= 48 and hours % 24 == 0 else (hours, "hour")  # noqa: PLR2004
    return f"{count} {unit}{'' if count == 1 else 's'}" if count else "none"


def in_minutes(moment: datetime, now: datetime) -> str:
    """Return ``in 3 minutes``, rounded up so that ``moment`` has passed by then."""
    count = int((moment - now).total_seconds() // 60) + 1
    return f"in {count} minute{'s' if count > 1 else ''}"


NEVER, NOT_KNOWN = "Never", "Not known"


def last_used(moment: datetime | None, now: datetime, *, is_known: bool) -> str:
    """Return the last use in words. ``is_known``: if there is no ``moment``, the key was never used."""
    if moment is None:
        return NEVER if is_known else NOT_KNOWN
    return relative(moment, now) if now - moment < _LONG_AGO else day(moment)


def utc(moment: datetime | None) -> str:
    """Return ISO 8601 in UTC with seconds, for exports, or an empty string for None."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def utc_or_not_known(expiry: datetime) -> str:
    return utc_if_known(expiry, is_known=expiry != EXPIRY_NOT_KNOWN)


def utc_if_known(moment: datetime | None, *, is_known: bool = True) -> str:
    return utc(moment) if is_known else NOT_KNOWN.lower()


def confirmed(name: str, at: datetime) -> str:
    """Return who saw a key in Cerby's web app, and when, as a note beside its status."""
    return f"confirmed by {name} against Cerby's web app, {short(at)}"


def reading(name: str, at: datetime) -> str:
    """Return who read a value in Cerby's web app, and when, as a note beside the value."""
    local = in_local_time(at)
    year = "" if local.year == timezone.localtime().year else f" {local.year}"
    return f"reading by {name}, {local.day} {local:%b}{year}"


def utc_microseconds(moment: datetime) -> str:
    """Return ISO 8601 in UTC with microseconds, the format of every time in the audit log."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def scope_list(scopes: Iterable[str]) -> str:
    return ", ".join(label(scope) for scope in scopes)


def scope_summary(scopes: list[str], shown_scopes: int = SHOWN_SCOPES) -> str:
    """Return the first labels and the number of the others: ``Read users, Read items +2``."""
    shown = scope_list(scopes[:shown_scopes])
    more = len(scopes) - shown_scopes
    if not scopes:
        return NOT_KNOWN
    return f"{shown} +{more}" if more > 0 else shown


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser(user_agent: str) -> str:
    """Return ``Chrome on Linux``, or the start of an unknown ``user_agent``."""
    name = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    printable = "".join(character for character in user_agent if character.isprintable())
    return f"{name} on {system}" if name and system else printable[:200]
