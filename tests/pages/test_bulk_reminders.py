"""Test the bulk reminder: the people of each key are reminded together, as each of them chose."""

from __future__ import annotations

import pytest
from django.utils import timezone

from keys.actions.bulk.tell_reminded import remind_people
from keys.models import ApiKey, Delivery, InboxItem, Notification, NotificationChoice, Selection, User
from tests.cast import a_key
from tests.pages.helpers import events, text
from tests.pages.test_bulk import started, work
from tests.support.channels import a_channel


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def test_the_people_of_each_key_get_one_reminder_together_without_an_account(admin, cast):
    """They are those of the portal's own reminders: an admin, if all others have left."""
    keys = [a_key(cast.user, name=f"K{n}") for n in range(2)] + [a_key(cast.owner, name="Other")]
    ApiKey.objects.filter(owner=cast.user).update(accountable=cast.guest, backup=cast.login_only)
    User.objects.filter(pk__in=[cast.user.pk, cast.guest.pk]).update(is_active=False, added_at=None)
    left = a_key(cast.super_admin, name="Left", accountable=None)
    User.objects.filter(pk=cast.super_admin.pk).update(left_at=timezone.now(), is_active=False)
    address = started(admin, [*keys, left], "remind")
    channel = a_channel()
    work()
    together = [cast.user.email, cast.guest.email, cast.login_only.email]
    mails = Delivery.objects.filter(channel=None)
    assert sorted(one.to for one in mails) == sorted([together, [cast.owner.email], [cast.owner.email]])
    mail = mails.get(to=together).text
    assert [name in mail for name in ("K0", "K1", "Other", "ask one of its admins")] == [
        True,
        True,
        False,
        True,
    ]
    assert f"All its people have left. A mail goes to {cast.owner.email}." in text(admin.get(address))
    assert len(events(type="key:remind")) == 4
    asked = {(item.user.email, item.notification.path) for item in InboxItem.objects.filter(state="task")}
    assert asked == {(cast.owner.email, f"/keys/{key.pk}/") for key in (keys[2], left)} | {
        (cast.login_only.email, "/keys/mine/")
    }
    said = Notification.objects.get(deliveries__channel=channel).words
    assert said == "Admin Person reminds the people of 4 API keys."
    remind_people(Selection.objects.get(pk=address.split("/")[3]))
    assert mails.count() == 3, "another worker, after a crash, reminds nobody twice"


def test_a_reminder_is_not_mailed_to_people_who_chose_the_portal_only(admin, cast):
    NotificationChoice.objects.create(user=cast.user, kind="key.reminded", how="inbox")
    address = started(admin, [a_key(cast.user)], "remind")
    work()
    assert not Delivery.objects.exists()
    assert InboxItem.objects.get().user == cast.user
    assert "want no mails about that" in text(admin.get(address))
