"""Write the mails of a bulk reminder: one to each owner, with all of their selected keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from django.conf import settings
from django.urls import reverse

from keys.models import ApiKey, SelectedKey, Selection, User
from keys.rules import formatting


def reminder_mails(selection: Selection) -> Iterator[tuple[int, str, str]]:
    """Yield the owner's id, the subject and the text of each mail."""
    keys: defaultdict[User, list[ApiKey]] = defaultdict(list)
    done = selection.items.filter(outcome=SelectedKey.Outcome.DONE).order_by("position")
    for item in done.select_related("key__owner"):
        keys[item.key.owner].append(item.key)
    for owner, theirs in keys.items():
        yield owner.pk, _subject(len(theirs)), _text(selection.user, owner, theirs)


def _subject(count: int) -> str:
    return (
        f"[{settings.CERBY_WORKSPACE}] Please look at {count} API keys"
        if count > 1
        else (f"[{settings.CERBY_WORKSPACE}] Please look at an API key")
    )


def _text(sender: User, owner: User, keys: list[ApiKey]) -> str:
    lines = [
        f"“{key}” expires on {formatting.exact(key.expires_at)}.\n"
        f"{settings.PORTAL_URL}{reverse('keys:key', args=[key.pk])}"
        for key in keys
    ]
    asked = (
        f"{sender.name} ({sender.email}) asks you to look at the following API keys, which you own. "
        "Delete those that are not needed any more."
    )
    return f"Hello {owner.name},\n\n{asked}\n\n" + "\n\n".join(lines) + "\n"
