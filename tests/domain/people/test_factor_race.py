"""One code in two requests at once: one gets in. Naive versions beside it let both in for certain."""

from __future__ import annotations

from types import SimpleNamespace

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth

from keys.actions.factors.add import add_app
from keys.actions.factors.remove import remove_factor
from keys.actions.factors.use import use_code
from keys.models import AuditEvent, User
from keys.models.factor import APP, CODES
from keys.rules.errors import Conflict
from keys.rules.permissions import Actor
from tests import cast as people
from tests.support.authenticators import code_of
from tests.support.racing import meet, race

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
AT = 1_800_000_000
NUMBERS = (0, 1, 2, 3, 4)
"""Which recovery codes the portal is sent."""


def use(number: int, subject: str) -> bool:
    """Use a code, as the portal or as a naive version. Return whether it was accepted.

    The first of the processes adds the app before, and removes it at the end. The clock of the codes stands
    still, so that no period ends between two processes.
    """
    auth.time = SimpleNamespace(time=lambda: AT)
    me = people.actor(User.objects.get(email=people.email_of("admin")))
    if subject == "add":
        return number == 0 and bool(add_app(me, SECRET, code_of(SECRET, periods=-1)))
    if subject == "app":
        return use_code(me, code_of(SECRET, periods=1), recovery=True) is not None
    if subject == "again":
        if number == 0:
            remove_factor(me, Authenticator.objects.get(type=APP).pk)
        meet()
        return is_added(me, code_of(SECRET, periods=1))
    if subject == "naive app":
        return is_app_accepted_without_a_lock(me)
    row = Authenticator.objects.get(user_id=me.user_id, type=CODES)
    if subject == "naive":
        code = RecoveryCodes(row).generate_codes()[9]
        is_unused = code in RecoveryCodes(row).get_unused_codes()
        meet()
        row.data["used_mask"] |= 1 << 9
        row.save()
        return is_unused
    return use_code(me, RecoveryCodes(row).generate_codes()[int(subject)], recovery=True) is not None


def is_app_accepted_without_a_lock(me: Actor) -> bool:
    """Accept the period after the last one, if nobody has used it by now."""
    row = Authenticator.objects.get(user_id=me.user_id, type=APP)
    is_unused = row.data["last_counter"] < (period := row.data["last_counter"] + 1)
    meet()
    row.data["last_counter"] = period
    row.save()
    return is_unused


def is_added(me: Actor, code: str) -> bool:
    try:
        return bool(add_app(me, SECRET, code))
    except Conflict:
        return False


def test_a_code_that_is_sent_twice_at_once_is_accepted_once(database, committed_cast):
    """Also if the app is removed and added again: its secret is good for one app, on every node."""
    subjects = ["add", "naive app", "app", *map(str, NUMBERS), "naive", "again"]
    added, naive_app, *outcomes, naive, again = race(database, f"{__name__}:use", subjects, processes=2)
    assert added == [True, False]
    assert [sorted(outcome) for outcome in outcomes] == [[False, True]] * 6
    assert naive_app == naive == [True, True]
    assert again == [False, False]
    used = AuditEvent.objects.filter(type="factor:use-code").order_by("id")
    assert [event.details["remaining"] for event in used] == [9, 8, 7, 6, 5]
