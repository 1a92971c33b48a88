"""Stage each change of channels, calendars and choices, with the events that record it, for test_acts.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from keys.actions.channels.add import add_channel
from keys.actions.channels.edit import edit_channel
from keys.actions.channels.renew_secret import end_former_secrets, renew_secret
from keys.actions.channels.send_again import send_again, send_test
from keys.actions.channels.turn_off import disable_channel, enable_channel, remove_channel
from keys.actions.inbox.calendar import end_calendar, make_calendar
from keys.actions.inbox.choose import choose_notifications
from keys.actions.notifications.deliver import DISABLE_AFTER, disable_failing
from keys.models import CalendarFeed, Channel, User
from keys.rules.notifications import How, Kind
from keys.rules.permissions import Role
from tests.support.channels import a_channel, a_delivery
from tests.support.scene import Scene

Act = Callable[[], Any]


def prepared(scene: Scene, **columns: Any) -> Channel:
    """Create a channel, which only the highest roles may change."""
    User.objects.filter(pk=scene.cast.admin.pk).update(role=Role.SUPER_ADMIN)
    return a_channel(**columns)


def on_channel(act: Callable[..., Any], **named: Any) -> Callable[[Scene], Act]:
    def stage(scene: Scene) -> Act:
        channel = prepared(scene)
        return lambda: act(scene.me, channel.pk, **named)

    return stage


def adding(scene: Scene) -> Act:
    prepared(scene)
    facts = {"name": "Alerts", "sort": "webhook", "url": "https://localhost/in"}
    return lambda: add_channel(scene.me, **facts, kinds=[Kind.KEY_EXPIRES])


def ending_former_secrets(scene: Scene) -> Act:
    channel = prepared(scene)
    channel.secrets = [*channel.secrets, {"sealed": "sealed", "until": None}]
    channel.save()
    return lambda: end_former_secrets(scene.me, channel.pk)


def enabling(scene: Scene) -> Act:
    channel = prepared(scene, disabled_at=timezone.now())
    return lambda: enable_channel(scene.me, channel.pk)


def sending_again(scene: Scene) -> Act:
    channel = prepared(scene)
    delivery = a_delivery(channel)
    return lambda: send_again(scene.me, channel.pk, delivery.pk)


def failing(_: Scene) -> Act:
    """Create a channel that has failed for so long that the portal disables it."""
    channel = a_channel(failing_since=timezone.now() - DISABLE_AFTER - timedelta(hours=1))
    a_delivery(channel)
    return lambda: disable_failing(channel, "does not answer.")


def ending_calendar(scene: Scene) -> Act:
    CalendarFeed.objects.create(user=scene.cast.admin, token_hash="hash", made_at=timezone.now())
    return lambda: end_calendar(scene.me)


DONE: dict[str, tuple[Callable[[Scene], Act], list[str]]] = {
    "channels/add": (adding, ["channel:add"]),
    "channels/edit": (on_channel(edit_channel, name="New", kinds=[Kind.KEY_EXPIRES]), ["channel:change"]),
    "channels/renew_secret": (on_channel(renew_secret), ["channel:renew-secret"]),
    "channels/renew_secret: end the former ones": (ending_former_secrets, ["channel:end-secret"]),
    "channels/send_again": (sending_again, ["channel:repeat"]),
    "channels/send_again: a test": (on_channel(send_test), ["channel:test"]),
    "channels/turn_off: disable": (on_channel(disable_channel), ["channel:disable"]),
    "channels/turn_off: enable": (enabling, ["channel:enable"]),
    "channels/turn_off: remove": (on_channel(remove_channel), ["channel:remove"]),
    "inbox/calendar: make": (lambda scene: lambda: make_calendar(scene.me), ["calendar:make"]),
    "inbox/calendar: end": (ending_calendar, ["calendar:end"]),
    "inbox/choose": (
        lambda scene: lambda: choose_notifications(scene.me, {Kind.KEY_EXPIRES: How.INBOX}),
        ["notification:choose"],
    ),
    "notifications/deliver": (failing, ["channel:disable"]),
}
