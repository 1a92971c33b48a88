"""Add a channel to which notifications go."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.delivery import channels
from keys.delivery.https import NotDelivered, check_reachable
from keys.models import Channel, Throttle
from keys.rules.errors import Invalid
from keys.rules.events import Event
from keys.rules.notifications import FOR_PEOPLE, ChannelKind
from keys.rules.permissions import Action, Actor
from keys.validation.text import check_text, tidy

MOST = 20
LONGEST_NAME, LONGEST_URL = 60, 2000


@sensitive_variables()
def add_channel(
    actor: Actor, *, name: str, sort: str, url: str, kinds: Collection[str]
) -> tuple[Channel, str]:
    """Add a channel, and return it with the secret of a webhook, which nobody can read again.

    Slack and Teams have no secret but their address. Raises ``Invalid`` for the field in question.
    """
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    check_url(url)
    _check_reachable(url)
    now, is_webhook = timezone.now(), ChannelKind(sort) is ChannelKind.WEBHOOK
    secret = channels.new_secret() if is_webhook else ""
    channel = Channel(
        name=tidy(name), sort=sort, url=channels.seal(url), host=channels.host_of(url), made_at=now
    )
    channel.kinds = known_kinds(kinds)
    channel.secrets = [{"sealed": channels.seal(secret), "until": None}] if secret else []
    with transaction.atomic():
        Throttle.objects.locked("channels")
        check_name(channel)
        if Channel.objects.count() >= MOST:
            raise Invalid(
                name=f"There are {MOST} channels, and more would delay each other. Remove one first."
            )
        channel.save()
        log.append(
            Event.CHANNEL_ADDED,
            actor=actor,
            channel=str(channel.pk),
            name=channel.name,
            sort=channel.sort,
            host=channel.host,
            kinds=channel.kinds,
            address_digest=channels.digest_of_address(channel),
            secrets_digest=channels.digest_of_secrets(channel),
        )
    return channel, secret


@sensitive_variables()
def check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise Invalid(url="This is not an address.") from error
    if parts.scheme != "https" or not parts.hostname or not port or parts.username or len(url) > LONGEST_URL:
        raise Invalid(url="Enter an address that begins with https://, without a user name.")


@sensitive_variables()
def _check_reachable(url: str) -> None:
    try:
        check_reachable(url, private=settings.PORTAL_CHANNELS_PRIVATE)
    except NotDelivered as error:
        raise Invalid(url=f"The portal cannot send to this address. {error.sentence}") from error


def check_name(channel: Channel) -> None:
    check_text("name", "The name", channel.name, LONGEST_NAME)
    if Channel.objects.filter(name=channel.name).exclude(pk=channel.pk).exists():
        raise Invalid(name="Another channel has this name.")


def known_kinds(kinds: Collection[str]) -> list[str]:
    """Return the kinds in their usual order. Raises ``Invalid`` if there are none."""
    known = [kind.value for kind in FOR_PEOPLE if kind in kinds]
    if not known:
        raise Invalid(kinds="Choose at least one kind of notification.")
    return known
