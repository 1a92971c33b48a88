"""Test the page of one channel of notifications, and what admins do there."""

from __future__ import annotations

import re

import pytest

from keys.delivery import channels
from keys.models import AuditEvent, Channel, Delivery
from keys.rules.notifications import Kind
from tests.cast import signed_in
from tests.pages.helpers import elements, events, text, words
from tests.support import tls
from tests.support.channels import a_channel, a_delivery

KINDS = [Kind.KEY_LEAKED.value, Kind.KEY_EXPIRES.value]
PAGE = "/settings/notifications/"


@pytest.fixture
def hook(db, tmp_path, monkeypatch, settings):
    settings.PORTAL_CHANNELS_PRIVATE = True
    with tls.known_here(tmp_path, monkeypatch) as server:
        yield server


def filled(**fields):
    return {"name": "Ops", "sort": "webhook", "url": "https://hooks.example/CANARY", "kinds": KINDS} | fields


def secret_in(page) -> str:
    found = re.findall(r"whsec_[A-Za-z0-9+/=]+", page.content.decode())
    assert len(found) == 1
    return found[0]


def test_a_test_says_whether_it_arrived_and_a_delivery_is_sent_again_with_its_id(hook, browser_of, cast):
    channel = a_channel(f"https://{tls.NAME}:{hook.port}/in")
    admin = browser_of("owner")
    assert "The test has arrived." in text(admin.post(f"{PAGE}{channel.pk}/test/", follow=True))
    hook.status = 500
    page = admin.post(f"{PAGE}{channel.pk}/test/", follow=True)
    assert f"It did not arrive. The channel fails: {tls.NAME} answered 500." in text(page)
    hook.status = 204
    delivered = Delivery.objects.get(state="delivered")
    page = admin.post(f"{PAGE}{channel.pk}/deliveries/{delivered.pk}/again/", follow=True)
    assert "The notification has arrived." in text(page)
    ids = [headers["webhook-id"] for headers in hook.headers]
    assert (ids[0], ids[0] != ids[1]) == (ids[2], True)
    assert [one["type"] for one in AuditEvent.objects.filter(type__startswith="channel:").values("type")] == [
        "channel:test",
        "channel:test",
        "channel:repeat",
    ]


def test_a_renewed_secret_signs_beside_the_former_one_until_that_ends(browser_of, cast):
    channel = a_channel()
    former, admin = channels.unseal(channel.secrets[0]["sealed"]), browser_of("owner")
    new = secret_in(admin.post(f"{PAGE}{channel.pk}/renew/"))
    channel.refresh_from_db()
    assert [channels.unseal(one["sealed"]) for one in channel.secrets] == [new, former]
    assert "Signs as well until" in text(admin.get(f"{PAGE}{channel.pk}/"))
    admin.post(f"{PAGE}{channel.pk}/end/")
    channel.refresh_from_db()
    assert [channels.unseal(one["sealed"]) for one in channel.secrets] == [new]
    assert "Signs as well until" not in text(admin.get(f"{PAGE}{channel.pk}/"))


def test_a_channel_is_edited_disabled_enabled_and_removed_each_with_an_event(browser_of, cast):
    channel, admin = a_channel(name="Ops"), browser_of("super_admin")
    waiting = a_delivery(channel)
    admin.post(f"{PAGE}{channel.pk}/edit/", {"name": "Security", "kinds": [Kind.KEY_LEAKED.value]})
    channel.refresh_from_db()
    assert (channel.name, channel.kinds) == ("Security", ["key.leaked"])
    admin.post(f"{PAGE}{channel.pk}/disable/")
    waiting.refresh_from_db()
    assert waiting.state == "given-up"
    assert admin.post(f"{PAGE}{channel.pk}/test/").status_code == 409
    admin.post(f"{PAGE}{channel.pk}/enable/")
    assert "Enable" not in [words(button) for button in elements(admin.get(f"{PAGE}{channel.pk}/"), "button")]
    admin.post(f"{PAGE}{channel.pk}/remove/")
    assert not Channel.objects.exists()
    kinds = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    assert kinds == ["channel:change", "channel:disable", "channel:enable", "channel:remove"]


def test_changes_need_a_fresh_sign_in(cast):
    channel, admin = a_channel(), signed_in(cast.owner, seconds_ago=600)
    for act in ("renew", "disable", "remove"):
        assert "/accounts/reauthenticate/" in admin.post(f"{PAGE}{channel.pk}/{act}/")["Location"]
    kept = admin.post(f"{PAGE}add/", filled())
    assert "CANARY" not in kept.content.decode()
    assert (Channel.objects.count(), events()) == (1, [])
