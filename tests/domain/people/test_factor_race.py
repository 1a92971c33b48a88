"""One code in two requests at once: one gets in. A naive version beside it lets both in for certain."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

from keys.actions.factors.add import add_app
from keys.actions.factors.use import use_code
from keys.models import AuditEvent, User
from keys.models.factor import CODES, codes_left
from tests import cast as people
from tests.support.authenticators import code_of
from tests.support.racing import meet, race

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NUMBERS = (0, 1, 2, 3, 4)
"""Which recovery codes the portal is sent."""


def use(number: int, subject: str) -> bool:
    """Use a code, as the portal or as the naive version. Return whether it was accepted.

    The first of the processes adds the app before.
    """
    me = people.actor(User.objects.get(email=people.email_of("admin")))
    if subject == "add":
        return number == 0 and bool(add_app(me, SECRET, code_of(SECRET, periods=-1)))
    if subject == "app":
        return use_code(me, code_of(SECRET, periods=1), recovery=True) is not None
    row = Authenticator.objects.get(user_id=me.user_id, type=CODES)
    if subject == "naive":
        code = RecoveryCodes(row).generate_codes()[9]
        is_unused = code in RecoveryCodes(row).get_unused_codes()
        meet()
        row.data["used_mask"] |= 1 << 9
        row.save()
        return is_unused
    return use_code(me, RecoveryCodes(row).generate_codes()[int(subject)], recovery=True) is not None


def test_a_code_that_is_sent_twice_at_once_is_accepted_once(database, committed_cast):
    subjects = ["add", "app", *map(str, NUMBERS), "naive"]
    added, *outcomes, naive = race(database, f"{__name__}:use", subjects, processes=2)
    assert added == [True, False]
    assert [sorted(outcome) for outcome in outcomes] == [[False, True]] * 6
    assert naive == [True, True]
    assert codes_left(Authenticator.objects.get(type=CODES)) == 4
    used = AuditEvent.objects.filter(type="factor:use-code").order_by("id")
    assert [event.details["remaining"] for event in used] == [9, 8, 7, 6, 5]
