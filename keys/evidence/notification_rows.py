"""Find channels, choices and notifications of leaks that contradict the audit log.

Such a change can make the portal send less, or send it to another address.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.delivery import channels
from keys.delivery.https import NotDelivered
from keys.evidence.contradiction import Contradiction
from keys.models import AuditEvent, Channel, Delivery, Notification, NotificationChoice, User
from keys.rules.batches import batches
from keys.rules.events import Event
from keys.rules.notifications import How, Kind
from keys.tlog.leaf import readable

OF_CHANNELS = (
    *(Event.CHANNEL_ADDED, Event.CHANNEL_CHANGED, Event.CHANNEL_DISABLED, Event.CHANNEL_ENABLED),
    *(Event.CHANNEL_SECRET_RENEWED, Event.CHANNEL_SECRET_ENDED, Event.CHANNEL_REMOVED),
)
KEPT_FOR = timedelta(days=89)
"""A day less than deliveries are kept (keys.actions.notifications.forget_old)."""
GIVEN_UP_AFTER = timedelta(days=5)
PAGE = 500
_KINDS = {kind.label: kind.value for kind in Kind}
_HOWS = {how.label: how.value for how in How}


def changed_notifications() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: rows may change meanwhile."""
    found = list(_differences())
    if found:
        again = set(_differences())
        yield from (one for one in found if one in again)


def _differences() -> Iterator[Contradiction]:
    yield from _channels()
    yield from _choices()
    yield from _leaks()


def _channels() -> Iterator[Contradiction]:
    logged = _logged_channels()
    for channel in Channel.objects.order_by("pk"):
        event, facts = logged.pop(str(channel.pk), (None, {}))
        name = f"Channel {channel.pk} ({channel.name})"
        if event is None:
            yield Contradiction(None, f"{name} is in the database, and no event added it.")
            continue
        for words in _wrong_channel(channel, facts):
            yield Contradiction(event, f"{name}: {words}")
    for number, (event, _) in logged.items():
        yield Contradiction(event, f"Channel {number} was deleted in the database.")


def _logged_channels() -> dict[str, tuple[int | None, dict[str, Any]]]:
    """Replay the events, oldest first. Return the newest event and the facts of each channel."""
    found: dict[str, tuple[int | None, dict[str, Any]]] = {}
    events = AuditEvent.objects.filter(type__in=OF_CHANNELS, outcome="done").order_by("id")
    columns = ("id", "type", "details", "personal")
    for event_id, kind, details, personal in events.values_list(*columns).iterator(chunk_size=PAGE):
        said = readable(details, personal)
        facts = {} if kind == Event.CHANNEL_ADDED else found.get(said["channel"], (None, {}))[1]
        if kind == Event.CHANNEL_REMOVED:
            found.pop(said["channel"], None)
            continue
        if kind == Event.CHANNEL_CHANGED:
            facts |= said["after"]
        elif kind in {Event.CHANNEL_DISABLED, Event.CHANNEL_ENABLED}:
            facts["disabled"] = kind == Event.CHANNEL_DISABLED
        else:
            facts |= {name: said[name] for name in _COMPARED if name in said}
        found[said["channel"]] = event_id, facts
    return found


_COMPARED = {
    "name": lambda channel: channel.name,
    "sort": lambda channel: channel.sort,
    "host": lambda channel: channel.host,
    "kinds": lambda channel: channel.kinds,
    "address_digest": channels.digest_of_address,
    "secrets_digest": channels.digest_of_secrets,
}


def _wrong_channel(channel: Channel, facts: dict[str, Any]) -> Iterator[str]:
    """Yield what differs. Events of an older portal have no digest of the address: compare its host."""
    for name, value in _COMPARED.items():
        if name in facts and facts[name] != value(channel):
            yield f"its {name.removesuffix('_digest')} is not the one that the log recorded."
    if facts.get("disabled", False) != (channel.disabled_at is not None):
        yield f"it is {'disabled' if channel.disabled_at else 'enabled'} in its row, but not in the log."
    if "address_digest" not in facts:
        try:
            host = channels.host_of(channels.unseal(channel.url))
        except NotDelivered:
            host = ""
        if host != channel.host:
            yield "its address leads to another host than the log recorded."


def _choices() -> Iterator[Contradiction]:
    """Compare how each person wants to be told. What an older portal called a kind may be unknown."""
    logged, unclear = _logged_choices()
    erased = {one.pk for one in User.objects.filter(email__endswith="@erased.invalid")}
    for choice in NotificationChoice.objects.order_by("pk").iterator(chunk_size=PAGE):
        event, how = logged.pop((choice.user_id, choice.kind), (None, How.BOTH.value))
        if choice.how != how and not (event is None and choice.user_id in unclear):
            yield Contradiction(
                event,
                f"Person number {choice.user_id} gets {choice.kind} as {choice.how!r} by the row, and as "
                f"{how!r} by the log.",
            )
    for (user_id, kind), (event, how) in logged.items():
        if how != How.BOTH and user_id not in erased:
            yield Contradiction(event, f"The choice of person number {user_id} for {kind} was deleted.")


def _logged_choices() -> tuple[dict[tuple[int, str], tuple[int | None, str]], set[int]]:
    found: dict[tuple[int, str], tuple[int | None, str]] = {}
    unclear = set[int]()
    events = AuditEvent.objects.filter(type=Event.NOTIFICATIONS_CHOSEN, outcome="done").order_by("id")
    columns = ("id", "actor_id", "details", "personal")
    for event_id, user_id, details, personal in events.values_list(*columns).iterator(chunk_size=PAGE):
        said = readable(details, personal)
        if "chosen" in said:
            chosen = dict(one.split(" ") for one in said["chosen"])
        else:
            after = said["after"].items()
            chosen = {_KINDS.get(kind, ""): _HOWS.get(how, "") for kind, how in after}
            if "" in chosen:
                unclear.add(user_id)
        for kind, how in chosen.items():
            found[user_id, kind] = event_id, how
    return {at: one for at, one in found.items() if at[1]}, unclear


def _leaks() -> Iterator[Contradiction]:
    """Find notifications of leaks that somebody deleted, or whose mails somebody deleted or gave up.

    After an erasure this proves nothing, because that deletes what mentions the person.
    """
    now = timezone.now()
    erasures = AuditEvent.objects.filter(type=Event.PERSON_ERASED, outcome="done")
    erased = erasures.order_by("-id").values_list("id", flat=True).first() or 0
    leaks = AuditEvent.objects.filter(type=Event.KEY_SOUGHT, at__gt=now - KEPT_FOR, id__gt=erased)
    rows = leaks.order_by("id").values_list("id", "details")
    told = [
        (uid, event_id)
        for event_id, details in rows.iterator(chunk_size=PAGE)
        for uid in details.get("notifications", [])
    ]
    for page in batches(told, PAGE):
        uids = [uid for uid, _ in page]
        rows_of = Notification.objects.filter(uid__in=uids)
        kept = {str(uid): kind for uid, kind in rows_of.values_list("uid", "kind")}
        mails = dict[str, list[Delivery]]()
        sent = Delivery.objects.filter(notification__in=rows_of, channel=None)
        for mail in sent.select_related("notification"):
            mails.setdefault(str(mail.notification and mail.notification.uid), []).append(mail)
        for uid, event_id in page:
            if kept.get(uid) != Kind.KEY_LEAKED:
                yield Contradiction(event_id, f"The notification {uid} about a leaked API key was deleted.")
            elif not mails.get(uid):
                yield Contradiction(
                    event_id, f"The mails of the notification {uid} about a leak were deleted."
                )
            elif any(_is_cut_short(mail) for mail in mails[uid]):
                yield Contradiction(
                    event_id, f"A mail of the notification {uid} about a leak was ended before it arrived."
                )


def _is_cut_short(mail: Delivery) -> bool:
    if mail.state == Delivery.State.DELIVERED:
        return mail.delivered_at is None
    return mail.state == Delivery.State.GIVEN_UP and timezone.now() - mail.queued_at < GIVEN_UP_AFTER
