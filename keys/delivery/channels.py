"""Write a notification as a message for a channel, sign it, and send it.

A webhook is signed as the specification "Standard Webhooks" 1.0 says: ``webhook-signature`` has one signature
for each secret of the channel, so that a receiver may know the old or the new one while a secret is renewed.
The messages of Slack and Teams say the same in their formats. Names from the inventory are plain text in
them: they make no link and mention nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys.crypto import factor_box
from keys.delivery import https
from keys.models import Channel, Notification
from keys.rules.formatting import utc_microseconds
from keys.rules.notifications import ChannelKind
from keys.rules.visible import visible

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret of a webhook in the format of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


@sensitive_variables()
def seal(text: str) -> str:
    """Return a channel's address or secret, encrypted."""
    return factor_box.encrypt(text, settings.SECRET_KEY, factor_box.CHANNELS)


@sensitive_variables()
def unseal(sealed: str) -> str:
    """Return the text. Raises ``NotDelivered`` if no secret key opens it, or if somebody changed the row."""
    known = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    try:
        return factor_box.decrypt(sealed, known, factor_box.CHANNELS)
    except factor_box.CannotDecryptError as error:
        raise https.NotDelivered("The channel's address or secret cannot be decrypted.") from error


def digest_of_address(channel: Channel) -> str:
    """Return the digest by which events name the stored address: 32 hexadecimal digits, one-way.

    The stored text is encrypted with a random nonce, so nobody can guess the address from the digest.
    """
    return _digest("address", channel.url)


def digest_of_secrets(channel: Channel) -> str:
    """Return the digest of the stored secrets, in their order, and of when they end."""
    return _digest("secrets", json.dumps(channel.secrets, sort_keys=True))


def _digest(what: str, text: str) -> str:
    return hashlib.sha256(f"cerby-key-portal channel {what}\0{text}".encode()).hexdigest()[:32]


def signing_secrets(channel: Channel, now: datetime) -> list[str]:
    """Return the encrypted secrets that sign at ``now``, the newest first."""
    stored: list[dict[str, Any]] = channel.secrets
    return [
        one["sealed"] for one in stored if one["until"] is None or datetime.fromisoformat(one["until"]) > now
    ]


@sensitive_variables()
def send_to_channel(channel: Channel, message: Notification, now: datetime) -> None:
    """Send ``message``. Raises ``NotDelivered`` with the reason as a sentence, which contains no secret."""
    body = json.dumps(_BODIES[ChannelKind(channel.sort)](message), ensure_ascii=False).encode()
    headers: dict[str, str] = {}
    if channel.is_signed:
        opened = [unseal(one) for one in signing_secrets(channel, now)]
        headers = signed_headers(str(message.uid), int(now.timestamp()), body, opened)
    https.post(
        unseal(channel.url),
        body,
        content_type="application/json",
        private=settings.PORTAL_CHANNELS_PRIVATE,
        headers=headers,
    )


@sensitive_variables()
def signed_headers(uid: str, timestamp: int, body: bytes, with_secrets: Iterable[str]) -> dict[str, str]:
    signatures = " ".join(
        _signature(secret, f"{uid}.{timestamp}.".encode() + body) for secret in with_secrets
    )
    return {"webhook-id": uid, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


@sensitive_variables()
def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def host_of(url: str) -> str:
    """Return the part of a channel's address that is no secret."""
    return (urlsplit(url).hostname or "")[:253]


def _for_webhook(message: Notification) -> dict[str, Any]:
    data: dict[str, Any] = {"words": visible(message.words), "url": _link(message)}
    if message.text:
        data["text"] = visible(message.text)
    if message.key_id is not None:
        data["key_id"] = str(message.key_id)
    return {"type": message.kind, "timestamp": utc_microseconds(message.at), "data": data}


def _for_slack(message: Notification) -> dict[str, Any]:
    """Return blocks that show the words as plain text. ``text`` is for notifications of the system."""
    words = visible(message.words)
    escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {
        "text": escaped,
        "blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": words, "emoji": False}},
            {"type": "section", "text": {"type": "mrkdwn", "text": f"<{_link(message)}|Open the portal>"}},
        ],
    }


def _for_teams(message: Notification) -> dict[str, Any]:
    """An adaptive card. Unlike a TextBlock, the runs of a RichTextBlock are no Markdown."""
    run = {"type": "TextRun", "text": visible(message.words)}
    card = {
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "RichTextBlock", "inlines": [run]}],
        "actions": [{"type": "Action.OpenUrl", "title": "Open the portal", "url": _link(message)}],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _link(message: Notification) -> str:
    return f"{settings.PORTAL_URL}{message.path}"


_BODIES = {
    ChannelKind.WEBHOOK: _for_webhook,
    ChannelKind.SLACK: _for_slack,
    ChannelKind.TEAMS: _for_teams,
}
