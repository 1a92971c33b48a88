"""Stage each step of a request for approval, with the events that record it, for test_acts.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from keys.actions.bulk.ask import request_deletion
from keys.actions.bulk.freeze import freeze_ticked
from keys.actions.keys.ask_to_widen import request_widening
from keys.actions.keys.generate_approved import generate_approved
from keys.actions.keys.widen_approved import widen_approved
from keys.actions.leavers.ask import plan_or_ask
from keys.actions.requests.change import answer_offer, offer, withdraw
from keys.actions.requests.decide import approve, deny
from keys.actions.requests.open import request_key
from keys.actions.requests.review import review
from keys.models import AccessRequest, ApiKey, User, Verdict
from keys.rules.leaving import Plan
from keys.rules.requests import RequestState, canonical, digest_of
from keys.validation.frozen_request import frozen
from tests.cast import a_key
from tests.support.scene import TAB_KEY, Scene

Act = Callable[[], Any]
WHY = "The export needs it."
NOW = timezone.now()


def ask_as(person: User, scene: Scene, **columns: Any) -> AccessRequest:
    """Store a request of ``person`` without its event."""
    text = canonical(frozen(scene.request(), None))
    now = timezone.now()
    facts = {"kind": "generate", "document": text, "digest": digest_of(text), "reason": WHY, "needed": 1}
    facts |= {"made_at": now, "decide_by": now + timedelta(days=1), "least_role": person.role}
    return AccessRequest.objects.create(requester=person, **facts | columns)


def approved(scene: Scene) -> AccessRequest:
    now = timezone.now()
    usable = {"approved_at": now, "use_by": now + timedelta(days=1)}
    request = ask_as(scene.cast.admin, scene, state=RequestState.APPROVED, **usable)
    verdict = {"approver": scene.cast.owner, "approves": True, "digest": request.digest, "at": now}
    Verdict.objects.create(request=request, **verdict)
    return request


def asking(scene: Scene) -> Act:
    return lambda: request_key(scene.me, scene.request(), lasts=None, reason=WHY)


def deciding(act: Callable[..., Any], **named: Any) -> Callable[[Scene], Act]:
    def stage(scene: Scene) -> Act:
        request = ask_as(scene.cast.user, scene)
        more = {"digest": request.digest, "begin": str} if act is approve else {}
        return lambda: act(scene.me, request.pk, **named, **more)

    return stage


def withdrawing(scene: Scene) -> Act:
    request = ask_as(scene.cast.admin, scene)
    return lambda: withdraw(scene.me, request.pk)


def answering(scene: Scene) -> Act:
    request = ask_as(scene.cast.admin, scene)
    text = request.document.replace("Nightly", "Weekly")
    AccessRequest.objects.filter(pk=request.pk).update(offer=text, offered_by=scene.cast.owner)
    return lambda: answer_offer(scene.me, request.pk, accept=True, digest_of_offer=digest_of(text))


def reviewing(scene: Scene) -> Act:
    request = ask_as(scene.cast.owner, scene, ticket="INC-7", state="used", approved_at=NOW, use_by=NOW)
    return lambda: review(scene.me, request.pk, reason="It was needed.")


def using(scene: Scene) -> Act:
    request = approved(scene)
    return lambda: generate_approved(scene.me, request.pk, key_id=uuid.uuid4(), tab_key=TAB_KEY)


def asking_to_delete(scene: Scene) -> Act:
    keys = [scene.key(name=f"Stale {number}") for number in range(11)]
    selection = freeze_ticked(scene.me, keys, QueryDict())
    return lambda: request_deletion(scene.me, selection.pk, str, typed="11", reason=WHY)


def asking_to_keep(scene: Scene) -> Act:
    key = a_key(scene.cast.guest)
    plan = Plan("keep", until=timezone.localdate() + timedelta(days=2))
    return lambda: plan_or_ask(scene.me, key.owner_id, [key.pk], plan, reason=WHY)


LESS = {"scopes": ["read:users"], "lasts": timedelta(hours=1), "reason": "Less."}


def a_scope(scene: Scene) -> tuple[AccessRequest, Act]:
    """Store the request for another scope without its event, and return how to open one."""
    key = ApiKey.objects.get(pk=scene.key())
    act = {"kind": "widen", "key": str(key.pk), "name": key.name, "person": key.owner_id}
    text = canonical(act | {"scope": "read:items", "scopes": ["read:users"]})
    now = timezone.now()
    usable = {"state": "approved", "approved_at": now, "use_by": now + timedelta(days=1)}
    facts = {"kind": "widen", "document": text, "digest": digest_of(text), "subject": key.pk}
    request = ask_as(scene.cast.admin, scene, **usable | facts)
    verdict = {"approver": scene.cast.owner, "approves": True, "digest": request.digest, "at": now}
    Verdict.objects.create(request=request, **verdict)
    return request, lambda: request_widening(scene.me, key.pk, "read:items", reason=WHY)


def asking_to_widen(scene: Scene) -> Act:
    return a_scope(scene)[1]


def widening(scene: Scene) -> Act:
    request, _ = a_scope(scene)
    return lambda: widen_approved(scene.me, request.pk)


PARTS = {
    **dict.fromkeys(("keys/record_request", "requests/use"), "the first step of issue and of await_paste"),
    "approved/begin": "calls the act of the last approval: test_request.py",
}

DONE = {
    "requests/open": (asking, ["request:open"]),
    "requests/decide: approve": (deciding(approve), ["request:approve"]),
    "requests/decide: deny": (deciding(deny, reason="Too wide."), ["request:deny"]),
    "requests/change: offer": (deciding(offer, **LESS), ["request:offer"]),
    "requests/change: accept": (answering, ["request:accept"]),
    "requests/change: withdraw": (withdrawing, ["request:withdraw"]),
    "requests/review": (reviewing, ["request:review"]),
    "keys/generate_approved": (using, ["request:use", "key:request", "key:call", "key:issue"]),
    "leavers/ask": (asking_to_keep, ["request:open"]),
    "keys/ask_to_widen": (asking_to_widen, ["request:open"]),
    "keys/widen_approved": (widening, ["request:use", "key:start-rescope", "key:rescope"]),
    "bulk/ask": (asking_to_delete, ["request:open"]),
}
