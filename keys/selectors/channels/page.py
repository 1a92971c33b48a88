"""Return the channels of notifications, and one of them with its delivery log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.db.models import F
from django.http import QueryDict
from django.utils import timezone

from keys.audit.guard import authorize
from keys.delivery.channels import signing_secrets
from keys.models import Channel, Delivery
from keys.rules.errors import NotFound
from keys.rules.notifications import Kind
from keys.rules.permissions import Action, Actor
from keys.selectors.inventory.keyset import Order, Page, page

_LARGEST_ID = 2**63 - 1
_NEWEST_FIRST = Order((F("id"),), descending=True)


class PageForm(forms.Form):
    after = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)
    before = forms.IntegerField(required=False, min_value=0, max_value=_LARGEST_ID)


@dataclass(frozen=True)
class ChannelPage:
    """``former_until``: the last time at which a former secret signs, or None."""

    channel: Channel
    kinds: list[str]
    page: Page[Delivery]
    former_until: datetime | None


def all_channels(actor: Actor) -> list[Channel]:
    """Return the channels, of which there are few. Raise ``NotAllowed``."""
    authorize(actor, Action.MANAGE_CHANNELS)
    return list(Channel.objects.order_by("name"))


def channel_for(actor: Actor, channel_id: int) -> Channel:
    """Raise ``NotAllowed`` or ``NotFound``."""
    authorize(actor, Action.MANAGE_CHANNELS)
    channel = Channel.objects.filter(pk=channel_id).first()
    if channel is None:
        raise NotFound("There is no such channel.")
    return channel


def channel_page(actor: Actor, channel_id: int, params: QueryDict) -> ChannelPage:
    """Return the channel with a page of its deliveries, the newest first."""
    channel, form = channel_for(actor, channel_id), PageForm(params)
    own = Delivery.objects.filter(channel=channel)
    asked = form.cleaned_data if form.is_valid() else {"after": None, "before": None}
    ids = page(own.values_list("pk"), _NEWEST_FIRST, own, after=asked["after"], before=asked["before"])
    rows = own.select_related("notification").in_bulk([row[0] for row in ids.rows])
    found = Page([rows[row[0]] for row in ids.rows if row[0] in rows], ids.after, ids.before)
    signing = set(signing_secrets(channel, timezone.now()))
    ends = [one["until"] for one in channel.secrets if one["sealed"] in signing and one["until"]]
    former_until = max(map(datetime.fromisoformat, ends), default=None)
    return ChannelPage(channel, [Kind(kind).label for kind in channel.kinds], found, former_until)
