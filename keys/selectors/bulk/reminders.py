"""Write the mails of a bulk reminder: one to the people of each key, with all of their selected keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from keys.models import ApiKey, SelectedKey, Selection, User
from keys.rules import formatting
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from keys.rules.rotation import ROTATED
from keys.rules.time_zones import zone_of
from keys.selectors.key.people_of_keys import COLUMNS, People, by_people, salutation, why_you


class Reminding(NamedTuple):
    """A mail to the people of ``keys``, in the order of the list."""

    people: People
    keys: list[ApiKey]
    subject: str
    text: str


def remindings(selection: Selection) -> Iterator[Reminding]:
    """Yield a mail for each group of keys with the same people.

    They are the same people who get the portal's own reminders (keys.selectors.key.people_of_keys).
    """
    done = selection.items.filter(outcome=SelectedKey.Outcome.DONE).order_by("position")
    items = done.select_related(*(f"key__{name}" for name in COLUMNS))
    for people, theirs in by_people((item.key, item.key) for item in items).items():
        with timezone.override(zone_of(people)):
            text = _text(selection.user, people, theirs)
        yield Reminding(people, theirs, _subject(len(theirs)), text)


def _subject(count: int) -> str:
    return (
        f"[{settings.CERBY_WORKSPACE}] Please look at {count} API keys"
        if count > 1
        else (f"[{settings.CERBY_WORKSPACE}] Please look at an API key")
    )


def _expiry(key: ApiKey) -> str:
    if key.expires_at == EXPIRY_NOT_KNOWN:
        return f"“{key}”: it is not known when it expires."
    return f"“{key}” expires on {formatting.to_the_minute(key.expires_at)}."


def _rotate(key: ApiKey) -> str:
    return f"{settings.PORTAL_URL}{reverse('keys:rotate', args=[key.pk])}"


def _text(sender: User, people: People, keys: list[ApiKey]) -> str:
    asked = (
        f"{sender.name} ({sender.email}) asks you to look at the following API keys, which you own or answer "
        "for. Delete those that are not needed any more."
    )
    lines = [
        "\n".join(
            [
                _expiry(key),
                f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}",
                *([f"Rotate it: {_rotate(key)}"] if key.state in ROTATED else []),
            ]
        )
        for key in keys
    ]
    return "\n\n".join(filter(None, (salutation(people), asked, *lines, why_you(people)))) + "\n"
