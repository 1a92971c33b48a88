"""Tell people and channels that something happened, in the transaction of the act itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from keys.audit.key_texts import without_key_texts
from keys.models import (
    AccessRequest,
    ApiKey,
    Channel,
    Delivery,
    InboxItem,
    Notification,
    NotificationChoice,
    User,
)
from keys.rules.notifications import How, Kind
from keys.rules.permissions import HIGHEST
from keys.selectors.key.people_of_keys import People, addresses
from keys.selectors.people import recipients

LONGEST_WORDS = 500


def notify(
    kind: Kind,
    *,
    words: str,
    path: str,
    to: Iterable[User | None] = (),
    key: ApiKey | None = None,
    person: User | None = None,
    request: AccessRequest | None = None,
    text: str = "",
    once: str = "",
    mail: bool = True,
    channels: bool = True,
) -> Notification | None:
    """Write a notification to the outbox. Call it in the transaction of the act.

    It appears in the inboxes of the people in ``to``, goes to them by mail, and to each channel that takes
    ``kind``. Nothing is sent before the transaction ends. People who have left are skipped; if nobody
    remains, it goes to the Owner and the Super Admins. People choose for each kind how they get it, unless
    the kind is not ``may_mute``.

    - ``words``: one sentence, such as "“Nightly” expires on 3 March.". ``text``: further paragraphs.
    - ``path``: the page that the message links to, from ``reverse``. No link may change anything.
    - ``key``, ``person`` and ``request``: the subject, by which ``settle`` finds the tasks.
    - ``once``: a name such as ``"leaver:<key>:<day>"``. If there is a notification of this name, nothing is
      written and the result is None.
    - ``mail=False``: the caller mails the people itself, with ``queue_mail``.
    - ``channels=False``: the caller tells the channels itself, with ``tell_channels``.

    An example, with the kind ROTATION_DUE::

        with transaction.atomic():
            ...  # the act and its event
            notify(Kind.ROTATION_DUE, words="…", path=reverse("keys:key", args=[key.pk]), to=people, key=key)
    """
    now = timezone.now()
    clean = without_key_texts({"words": words, "text": text})
    columns = {
        "kind": kind,
        "words": clean["words"][:LONGEST_WORDS],
        "text": clean["text"],
        "path": path,
        "key": key,
        "person": person,
        "request": request,
        "at": now,
    }
    with transaction.atomic():
        if once:
            made, is_new = Notification.objects.get_or_create(once=once, defaults=columns)
            if not is_new:
                return None
        else:
            made = Notification.objects.create(**columns)
        people = present(to)
        _fill_inboxes(made, kind, people or list(User.objects.filter(is_active=True, role__in=HIGHEST)))
        if mail:
            mail_each(made, people)
        if channels:
            _queue_for_channels(made, kind)
    return made


def tell_channels(kind: Kind, *, words: str, path: str) -> None:
    """Write a notification for the channels alone. Call it in the transaction of the act."""
    clean = without_key_texts({"words": words})["words"][:LONGEST_WORDS]
    made = Notification.objects.create(kind=kind, words=clean, path=path, at=timezone.now())
    _queue_for_channels(made, kind)


def present(people: Iterable[User | None]) -> list[User]:
    """Return each of ``people`` once, without those who have left."""
    found = {person.pk: person for person in people if person is not None and person.left_at is None}
    return list(found.values())


def without_muted(kind: Kind, people: Sequence[User], *muting: How) -> list[User]:
    """Return those of ``people`` who have not chosen one of ``muting`` for ``kind``."""
    if not kind.may_mute:
        return list(people)
    choices = NotificationChoice.objects.filter(kind=kind, how__in=muting, user__in=people)
    muted = set(choices.values_list("user_id", flat=True))
    return [person for person in people if person.pk not in muted]


def queue_mail(to: Sequence[str], subject: str, text: str, about: Notification | None = None) -> None:
    """Queue one mail to all the addresses ``to``. Call it in the transaction of the act."""
    now = timezone.now()
    Delivery.objects.create(
        notification=about, to=list(to), subject=subject[:300], text=text, queued_at=now, retry_at=now
    )


def mailed(people: People, kinds: Iterable[Kind]) -> list[str]:
    """Return the emails of those of ``people`` who want mails of one of ``kinds``, or of admins if none."""
    wanting = {one.pk for kind in kinds for one in without_muted(kind, people, How.INBOX, How.NOTHING)}
    return addresses(tuple(one for one in people if one.pk in wanting)) if wanting or not people else []


def mail_people(people: People, kinds: Iterable[Kind], subject: str, text: str) -> None:
    """Queue one mail to all whom ``mailed`` names. Call it in the transaction of the act."""
    to = mailed(people, kinds)
    if to:
        queue_mail(to, subject, text)


def _fill_inboxes(made: Notification, kind: Kind, people: Sequence[User]) -> None:
    """Only people who may sign in have an inbox."""
    readers = without_muted(kind, [one for one in people if one.is_active], How.NOTHING)
    state = InboxItem.State.TASK if kind.is_task else InboxItem.State.MESSAGE
    items = [InboxItem(notification=made, user=one, is_task=kind.is_task, state=state) for one in readers]
    InboxItem.objects.bulk_create(items)


def mail_each(made: Notification, people: Sequence[User]) -> None:
    """Queue a mail about ``made`` to each of ``people`` who wants it, or to those who get alerts."""
    kind = Kind(made.kind)
    wanting = [one.email for one in without_muted(kind, people, How.INBOX, How.NOTHING)]
    for address in wanting if people else recipients():
        queue_mail([address], f"[{settings.CERBY_WORKSPACE}] {kind.subject}", mail_text(made, kind), made)


def mail_text(made: Notification, kind: Kind) -> str:
    parts = [made.words, made.text, f"{settings.PORTAL_URL}{made.path}"]
    if kind.may_mute:
        choices = f"{settings.PORTAL_URL}{reverse('keys:account')}#notifications"
        parts.append(f"If you have an account in the portal, you choose there what you are told: {choices}")
    return "\n\n".join(filter(None, parts)) + "\n"


def _queue_for_channels(made: Notification, kind: Kind) -> None:
    """Few organisations have more than a handful of channels (keys.actions.channels.add has a limit)."""
    now = timezone.now()
    channels = [one for one in Channel.objects.filter(disabled_at=None) if kind in one.kinds]
    Delivery.objects.bulk_create(
        Delivery(notification=made, channel=one, queued_at=now, retry_at=now) for one in channels
    )
