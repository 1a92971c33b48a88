"""Channels, choices and notifications that somebody changes in the database contradict the audit log."""

from __future__ import annotations

import io

import pytest
from django.db import connection
from django.utils import timezone

from keys.actions.channels.add import add_channel
from keys.actions.channels.edit import edit_channel
from keys.actions.channels.renew_secret import end_former_secrets, renew_secret
from keys.actions.channels.turn_off import disable_channel, enable_channel, remove_channel
from keys.actions.inbox.choose import choose_notifications
from keys.actions.keys.find_leaked import find_leaked
from keys.actions.people.erase import erase_person
from keys.crypto import fingerprint
from keys.delivery import channels
from keys.evidence.notification_rows import changed_notifications
from keys.evidence.row_check import contradictions
from keys.models import AuditEvent, Channel, User
from keys.rules.notifications import How, Kind
from tests.cast import a_key, actor
from tests.support.channels import a_channel
from tests.support.sealed_log import changeable_events

SECRET = "sbx_CANARY_Zq7Xw2Lp9Rt4Vb6Nm1Kc8"
KINDS = [Kind.KEY_LEAKED, Kind.KEY_EXPIRES]


@pytest.fixture
def told(cast, settings, public):
    """Have a channel after every change that people can make, a choice, and a leak that was told."""
    me = actor(cast.owner)
    channel, _ = add_channel(me, name="Ops", sort="webhook", url="https://localhost/in", kinds=KINDS)
    other, _ = add_channel(me, name="Chat", sort="slack", url="https://localhost/chat", kinds=KINDS)
    renew_secret(me, channel.pk)
    end_former_secrets(me, channel.pk)
    renew_secret(me, channel.pk)
    edit_channel(me, channel.pk, name="Operations", kinds=[*KINDS, Kind.KEY_DELETED])
    for act in (disable_channel, enable_channel):
        act(me, channel.pk)
    disable_channel(me, other.pk)
    gone, _ = add_channel(me, name="Gone", sort="teams", url="https://localhost/gone", kinds=KINDS)
    remove_channel(me, gone.pk)
    choose_notifications(actor(cast.admin), {Kind.KEY_EXPIRES: How.INBOX, Kind.KEY_DELETED: How.NOTHING})
    choose_notifications(actor(cast.admin), {Kind.KEY_DELETED: How.BOTH})
    peppers = settings.PORTAL_PEPPERS
    made = fingerprint.compute(SECRET, peppers=peppers, pepper_id=[*peppers][-1])
    a_key(cast.user, fingerprint=made.digest, pepper_id=made.pepper_id)
    find_leaked(me, file=io.BytesIO(f"key={SECRET}".encode()))
    return channel


@pytest.fixture
def public(settings):
    settings.PORTAL_CHANNELS_PRIVATE = True


def found() -> list[str]:
    return [one.words for one in changed_notifications()]


ATTACKS = {
    "the address of another channel": (
        "UPDATE keys_channel SET url = (SELECT url FROM keys_channel WHERE name = 'Chat')",
        "its address is not",
    ),
    "the host": ("UPDATE keys_channel SET host = 'x' WHERE name = 'Operations'", "its host is not"),
    "the secrets": ("UPDATE keys_channel SET secrets = '[]' WHERE name = 'Operations'", "its secrets is not"),
    "the kinds": (
        """UPDATE keys_channel SET kinds = '["key.expires"]' WHERE name = 'Operations'""",
        "its kinds is not",
    ),
    "a disabled channel": (
        "UPDATE keys_channel SET disabled_at = made_at WHERE name = 'Operations'",
        "it is disabled in its row, but not in the log",
    ),
    "an enabled channel": (
        "UPDATE keys_channel SET disabled_at = NULL WHERE name = 'Chat'",
        "it is enabled in its row, but not in the log",
    ),
    "a deleted channel": ("DELETE FROM keys_channel WHERE name = 'Chat'", "was deleted in the database"),
    "a muted kind": (
        "UPDATE keys_notificationchoice SET how = 'nothing' WHERE kind = 'key.expires'",
        "gets key.expires as 'nothing' by the row, and as 'inbox' by the log",
    ),
    "an invented choice": (
        """INSERT INTO keys_notificationchoice (user_id, kind, how)
        SELECT id, 'person.left', 'nothing' FROM keys_user WHERE email LIKE 'owner@%%'""",
        "gets person.left as 'nothing' by the row, and as 'both' by the log",
    ),
    "a deleted choice": (
        "DELETE FROM keys_notificationchoice WHERE kind = 'key.expires'",
        "for key.expires was deleted",
    ),
    "a deleted notification of a leak": (
        "DELETE FROM keys_inboxitem; DELETE FROM keys_delivery; DELETE FROM keys_notification",
        "about a leaked API key was deleted",
    ),
    "another kind of notification": (
        "UPDATE keys_notification SET kind = 'key.expires'",
        "about a leaked API key was deleted",
    ),
    "deleted mails of a leak": ("DELETE FROM keys_delivery", "about a leak were deleted"),
    "mails that were given up": (
        "UPDATE keys_delivery SET state = 'given-up'",
        "about a leak was ended before it arrived",
    ),
    "mails that never arrived": (
        "UPDATE keys_delivery SET state = 'delivered'",
        "about a leak was ended before it arrived",
    ),
}


@pytest.mark.parametrize(("sql", "said"), ATTACKS.values(), ids=list(ATTACKS))
def test_a_change_in_the_database_is_found(told, sql, said):
    assert found() == []
    with connection.cursor() as cursor:
        for statement in sql.split("; "):
            cursor.execute(statement, [])
    words = found()
    assert any(said in one for one in words), words
    assert set(words) <= {one.words for one in contradictions()}


def test_a_channel_that_nobody_added_is_found(told):
    a_channel()
    assert [one.rpartition(") ")[2] for one in found()] == ["is in the database, and no event added it."]


def test_events_of_an_older_portal_are_compared_as_far_as_they_say_something(told):
    """They have no digests and no values of the choice. What they called a kind may be unknown today."""
    with changeable_events():
        for event in AuditEvent.objects.filter(type__startswith="channel:"):
            event.details = {name: said for name, said in event.details.items() if "digest" not in name}
            event.save()
        for event in AuditEvent.objects.filter(type="notification:choose"):
            del event.details["chosen"]
            event.save()
    assert found() == []
    Channel.objects.filter(pk=told.pk).update(url=channels.seal("https://elsewhere.example/in"))
    assert [one.partition(": ")[2] for one in found()] == [
        "its address leads to another host than the log recorded."
    ]


def test_an_erasure_is_no_contradiction(told, cast):
    User.objects.filter(pk=cast.admin.pk).update(is_active=False, added_at=None, left_at=timezone.now())
    erase_person(None, cast.admin.email)
    assert found() == []
