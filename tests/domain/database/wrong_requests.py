"""Write invalid rows of requests and verdicts, for test_constraints.py."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from keys.models import AccessRequest, Verdict
from tests.cast import Cast


def asked(**columns: object) -> Callable[[Cast], AccessRequest]:
    facts = {
        "kind": "delete",
        "least_role": 40,
        "needed": 1,
        "document": "{}",
        "digest": "0" * 64,
        "reason": "R",
    }
    times = {"made_at": timezone.now(), "decide_by": timezone.now()}
    return lambda cast: AccessRequest.objects.create(requester=cast.admin, **facts | times | columns)


def two_verdicts_of_one_person(cast: Cast) -> None:
    request = asked()(cast)
    for _ in range(2):
        Verdict.objects.create(
            request=request, approver=cast.owner, approves=True, digest="0" * 64, at=timezone.now()
        )


WRONG_REQUESTS: dict[str, list[Callable[[Cast], object]]] = {
    "request_state_is_known": [asked(state="expired"), asked(state="")],
    "request_kind_is_known": [asked(kind="reveal"), asked(kind="")],
    "request_is_usable_for_a_time": [
        asked(state="approved"),
        asked(state="used", approved_at=timezone.now()),
    ],
    "request_offer_has_a_person": [asked(offer="{}")],
    "verdict_once_for_each_person": [two_verdicts_of_one_person],
}
