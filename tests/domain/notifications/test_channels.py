"""Test deliveries to channels: formats, signatures, retries, and disabling after five days."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from keys.actions.notifications.deliver import PAUSES, deliver_due
from keys.actions.notifications.notify import notify
from keys.delivery import channels
from keys.models import AuditEvent, Channel, Delivery, InboxItem
from keys.rules.notifications import Kind
from tests.cast import a_key, email_of
from tests.support import tls
from tests.support.bad_server import serving
from tests.support.cases import in_one_test
from tests.support.channels import a_channel, a_delivery

INJECTED = "“<!channel> [x](https://evil.example) & *b*” expires."


@pytest.fixture
def hook(db, tmp_path, monkeypatch, settings):
    settings.PORTAL_CHANNELS_PRIVATE = True
    with tls.known_here(tmp_path, monkeypatch) as server:
        yield server


def address(hook) -> str:
    return f"https://{tls.NAME}:{hook.port}/CANARY-path"


def test_a_webhook_is_signed_by_each_valid_secret_as_standard_webhooks_says(hook, cast):
    now = timezone.now()
    secrets = [channels.new_secret() for _ in range(3)]
    ends = (None, now + timedelta(days=1), now - timedelta(seconds=1))
    stored = [
        {"sealed": channels.seal(secret), "until": end and end.isoformat()}
        for secret, end in zip(secrets, ends, strict=True)
    ]
    a_channel(address(hook), secrets=stored)
    key = a_key(cast.admin)
    made = notify(Kind.KEY_EXPIRES, words="It expires.", path="/keys/", to=[cast.admin], key=key, mail=False)
    assert deliver_due() == "Sent: 1; failed: 0"
    [(path, _, body)], [headers] = hook.taken, hook.headers
    assert (path, headers["webhook-id"], headers["content-type"]) == (
        "/CANARY-path",
        str(made.uid),
        "application/json",
    )
    content = f"{made.uid}.{headers['webhook-timestamp']}.".encode() + body
    wanted = [
        "v1,"
        + base64.b64encode(
            hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
        ).decode()
        for secret in secrets[:2]
    ]
    assert headers["webhook-signature"].split(" ") == wanted
    said = json.loads(body)
    assert (said["type"], said["data"]["url"]) == ("key.expires", "http://testserver/keys/")
    assert said["data"]["key_id"] == str(key.pk)


@in_one_test("sort", ["slack", "teams"])
def test_names_make_no_link_and_mention_nobody_in_chats(hook, sort):
    a_delivery(a_channel(address(hook), sort), INJECTED)
    deliver_due()
    body = json.loads(hook.taken.pop()[2])
    headers = hook.headers.pop()
    assert not any(name.startswith("webhook") for name in headers)
    if sort == "slack":
        shown, link = (block["text"] for block in body["blocks"])
        assert (shown["type"], shown["text"]) == ("plain_text", INJECTED)
        assert link["text"] == "<http://testserver/keys/|Open the portal>"
        assert "<!" not in body["text"]
    else:
        [card] = body["attachments"]
        [block] = card["content"]["body"]
        assert (block["type"], block["inlines"][0]["text"]) == ("RichTextBlock", INJECTED)
        assert [act["type"] for act in card["content"]["actions"]] == ["Action.OpenUrl"]


def test_an_address_that_is_not_public_gets_nothing(hook, settings):
    settings.PORTAL_CHANNELS_PRIVATE = False
    a_delivery(a_channel(address(hook)))
    assert deliver_due() == "Sent: 0; failed: 1"
    assert hook.taken == []
    assert "which is not public." in Delivery.objects.get().failure


def test_bad_servers_are_tried_again_and_do_not_hold_up_the_others(hook, settings, tmp_path, monkeypatch):
    with serving(lambda talk: talk.reset()) as broken:
        bad = a_channel(f"https://127.0.0.1:{broken.port}/in")
        for _ in range(3):
            a_delivery(bad)
        good = a_channel(address(hook))
        a_delivery(good)
        assert deliver_due() == "Sent: 1; failed: 1"
    hook.status = 503
    a_delivery(good)
    began = timezone.now()
    deliver_due()
    failed = Delivery.objects.get(channel=good, state="waiting")
    assert failed.failure == f"{tls.NAME} answered 503."
    assert failed.retry_at is not None
    assert failed.retry_at - began >= 0.9 * PAUSES[0]
    hook.status = 204
    Delivery.objects.filter(pk=failed.pk).update(retry_at=began)
    deliver_due()
    failed.refresh_from_db()
    assert (failed.state, failed.failure, failed.attempts) == ("delivered", "", 2)
    sent_twice = [headers["webhook-id"] for headers in hook.headers[-2:]]
    assert sent_twice[0] == sent_twice[1], "the receiver recognises the repetition"
    good.refresh_from_db()
    assert (good.failing_since, good.failure) == (None, "")


@in_one_test("status, since", [(500, timedelta(days=5)), (410, timedelta())])
def test_a_channel_that_fails_for_five_days_or_is_gone_is_disabled_and_admins_are_told(
    hook, cast, status, since
):
    hook.status = status
    channel = a_channel(address(hook), name="Ops", failing_since=timezone.now() - since)
    a_delivery(channel)
    deliver_due()
    channel.refresh_from_db()
    assert (channel.disabled_at is not None, channel.disabled_by_portal) == (True, True)
    assert Delivery.objects.get(channel=channel).state == "given-up"
    event = AuditEvent.objects.get(type="channel:disable")
    assert (event.actor_id, event.details["name"]) == (None, "Ops")
    highest = {email_of("owner"), email_of("super_admin")}
    assert set(InboxItem.objects.values_list("user__email", flat=True)) == highest
    deliver_due()
    assert {letter.to[0] for letter in mail.outbox[-2:]} == highest
    assert "CANARY-path" not in "".join(str(letter.body) for letter in mail.outbox)
    before = len(hook.taken)
    notify(Kind.KEY_DELETED, words="W.", path="/", to=[cast.user], mail=False)
    deliver_due()
    assert len(hook.taken) == before


def test_a_channel_that_has_failed_for_less_than_five_days_goes_on(hook):
    hook.status = 500
    channel = a_channel(address(hook), failing_since=timezone.now() - timedelta(days=4))
    a_delivery(channel)
    deliver_due()
    channel.refresh_from_db()
    assert channel.disabled_at is None


def test_only_the_chosen_kinds_go_to_a_channel(hook, cast):
    a_channel(address(hook), kinds=[Kind.KEY_LEAKED])
    for kind in (Kind.KEY_EXPIRES, Kind.KEY_LEAKED):
        notify(kind, words="W.", path="/", to=[cast.user], mail=False)
    deliver_due()
    assert [json.loads(body)["type"] for _, _, body in hook.taken] == ["key.leaked"]


def test_the_address_and_the_secret_are_not_in_the_database_in_clear(hook, settings):
    channel = Channel.objects.get(pk=a_channel(address(hook)).pk)
    stored = channel.url + json.dumps(channel.secrets)
    assert "CANARY" not in stored
    assert "whsec_" not in stored
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key of more than fifty characters, for tests"
    assert channels.unseal(channel.url) == address(hook)
    settings.SECRET_KEY_FALLBACKS = []
    a_delivery(channel)
    assert deliver_due() == "Sent: 0; failed: 1"
    assert "cannot be decrypted" in Delivery.objects.get().failure
