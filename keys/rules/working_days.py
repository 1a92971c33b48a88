"""Spread due dates evenly over working days, Monday to Friday. The portal knows no public holidays."""

from __future__ import annotations

from datetime import date, timedelta

WORKING_DAYS = 5
"""The first days of a week."""
A_DAY = timedelta(days=1)
LONGEST_PERIOD = timedelta(days=366)
USUAL_PERIOD = 20
"""Working days."""


def working_days(first: date, last: date) -> list[date]:
    """Return the working days from ``first`` to ``last``, both included."""
    days = (first + number * A_DAY for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < WORKING_DAYS]


def usual_period(today: date) -> tuple[date, date]:
    """Return the first and the last day of the period that a form offers: the next working days."""
    days = working_days(today + A_DAY, today + 2 * USUAL_PERIOD * A_DAY)
    return days[0], days[USUAL_PERIOD - 1]


def due_day(days: list[date], position: int, count: int) -> date:
    """Return the day for number ``position`` of ``count``, from 0: each day has as many, or one more."""
    return days[position * len(days) // count]


def last_working_day(until: date, today: date) -> date:
    """Return the newest working day that is not after ``until``, but not a day before ``today``."""
    while until.weekday() >= WORKING_DAYS:
        until -= A_DAY
    return max(until, today)
