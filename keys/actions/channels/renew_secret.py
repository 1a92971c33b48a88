"""Renew the secret of a webhook, while the former one still signs for a time."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from keys.actions.channels.one_channel import about, channel_in_turn
from keys.actions.people.confirm_role import authorize_now
from keys.audit import log
from keys.delivery import channels
from keys.models import Channel
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor

FORMER_SIGNS_FOR = timedelta(days=7)
MOST_SECRETS = 4


@sensitive_variables()
def renew_secret(actor: Actor, channel_id: int) -> tuple[Channel, str]:
    """Return the channel and its new secret, which nobody can read again.

    The former secrets sign as well for ``FORMER_SIGNS_FOR``, so that the receiver has time to learn the new
    one. Raises ``NotFound``, and ``Conflict`` if the channel has no secret.
    """
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    until, secret = timezone.now() + FORMER_SIGNS_FOR, channels.new_secret()
    with transaction.atomic():
        channel = _signed(channel_id)
        valid = set(channels.signing_secrets(channel, timezone.now()))
        former = [one for one in channel.secrets if one["sealed"] in valid]
        former = [one | {"until": one["until"] or until.isoformat()} for one in former]
        new = {"sealed": channels.seal(secret), "until": None}
        channel.secrets = [new, *former][:MOST_SECRETS]
        channel.save(update_fields=["secrets"])
        until_text = until.isoformat(timespec="seconds")
        digest = channels.digest_of_secrets(channel)
        log.append(
            Event.CHANNEL_SECRET_RENEWED,
            actor=actor,
            **about(channel),
            until=until_text,
            secrets_digest=digest,
        )
    return channel, secret


def end_former_secrets(actor: Actor, channel_id: int) -> Channel:
    """Let only the newest secret sign from now on. Raises ``NotFound`` and ``Conflict``."""
    actor = authorize_now(actor, Action.MANAGE_CHANNELS)
    with transaction.atomic():
        channel = _signed(channel_id)
        if channel.secrets[1:]:
            channel.secrets = channel.secrets[:1]
            channel.save(update_fields=["secrets"])
            digest = channels.digest_of_secrets(channel)
            log.append(Event.CHANNEL_SECRET_ENDED, actor=actor, **about(channel), secrets_digest=digest)
    return channel


def _signed(channel_id: int) -> Channel:
    channel = channel_in_turn(channel_id)
    if not channel.is_signed:
        raise Conflict("Slack and Teams have no secret beside their address. Add another channel instead.")
    return channel
