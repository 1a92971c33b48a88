"""Test the pages on which Owners and Super Admins manage the channels of notifications."""

from __future__ import annotations

import re

from keys.delivery import channels
from keys.models import AuditEvent, Channel
from keys.rules.notifications import Kind
from tests.cast import said_by
from tests.pages.helpers import text
from tests.support.cases import in_one_test
from tests.support.channels import a_channel

KINDS = [Kind.KEY_LEAKED.value, Kind.KEY_EXPIRES.value]
PAGE = "/settings/notifications/"


def filled(**fields):
    return {"name": "Ops", "sort": "webhook", "url": "https://localhost/CANARY", "kinds": KINDS} | fields


def secret_in(page) -> str:
    found = re.findall(r"whsec_[A-Za-z0-9+/=]+", page.content.decode())
    assert len(found) == 1
    return found[0]


def test_a_webhook_is_added_and_its_secret_shown_once(browser_of, cast):
    admin = browser_of("owner")
    page = admin.post(f"{PAGE}add/", filled())
    secret = secret_in(page)
    assert "no-store" in page["Cache-Control"]
    channel = Channel.objects.get()
    assert channels.unseal(channel.secrets[0]["sealed"]) == secret
    shown = admin.get(f"{PAGE}{channel.pk}/").content.decode() + admin.get(PAGE).content.decode()
    assert "CANARY" not in shown
    assert secret not in shown
    event = AuditEvent.objects.get(type="channel:add")
    assert said_by(event) == {
        "channel": str(channel.pk),
        "name": "Ops",
        "sort": "webhook",
        "host": "localhost",
        "kinds": KINDS,
        "address_digest": channels.digest_of_address(channel),
        "secrets_digest": channels.digest_of_secrets(channel),
    }


@in_one_test(
    "wrong, said",
    [
        ({"url": "http://hooks.example/"}, "begins with https://"),
        ({"url": "https://ada:pw@hooks.example/"}, "without a user name"),
        ({"url": "https://hooks.example:x/"}, "This is not an address."),
        ({"url": "https://nowhere.example/"}, "The name nowhere.example is not known."),
        ({"name": " "}, "Enter a name"),
        ({"kinds": []}, "Choose at least one kind"),
        ({"name": "Taken"}, "Another channel has this name."),
    ],
)
def test_input_that_cannot_be_used_is_refused_beside_its_field(browser_of, wrong, said):
    a_channel(name="Taken", sort="slack")
    page = browser_of("owner").post(f"{PAGE}add/", filled(**wrong))
    assert (page.status_code, said in text(page), Channel.objects.count()) == (422, True, 1)


def test_an_address_in_a_private_network_is_refused(browser_of, cast, settings):
    settings.PORTAL_CHANNELS_PRIVATE = False
    page = browser_of("owner").post(f"{PAGE}add/", filled(url="https://127.0.0.9/in"))
    assert "127.0.0.9 has the address 127.0.0.9, which is not public." in text(page)
    assert not Channel.objects.exists()
