"""Return the page of one request: the frozen act, who decided and who can, and what the actor may do."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from keys.models import LISTED, AccessRequest, ApiKey, Reach, User, Verdict
from keys.models.policy import policy_in_force
from keys.rules import formatting
from keys.rules import scopes as catalogue
from keys.rules.lifecycle import Phase
from keys.rules.permissions import ADMINS, Action, Actor, Role, refusal
from keys.rules.policy.tiers import Tier
from keys.rules.policy.violations import Violation, tier_in
from keys.rules.reach import ReachInWords, in_words
from keys.rules.requests import Approver, RequestKind, RequestState, digest_of, why_not_decide, why_not_review
from keys.selectors.requests.approvers import approvers_of
from keys.selectors.requests.find import request_for
from keys.selectors.requests.needs import requested_facts, would_violate
from keys.selectors.requests.table import summary
from keys.selectors.requests.usable import is_usable
from keys.selectors.requests.widening import AskedScope, asked_scope
from keys.validation.frozen_request import thawed
from keys.validation.new_key import NO_TAB_KEY, KeyRequest

SHOWN_KEYS = 20


@dataclass(frozen=True)
class AskedKey:
    """The key that was asked for. ``expires``: in words. ``violations``: the rules that it would not meet."""

    name: str
    purpose: str
    scopes: list[str]
    expires: str
    tier: Tier
    reach: ReachInWords
    violations: list[Violation]
    others: list[ApiKey]
    replaces: ApiKey | None


@dataclass(frozen=True)
class Offer:
    """A narrower key that an approver offers: its scopes and its expiry in words, and its hash."""

    digest: str
    scopes: list[str]
    expires: str


@dataclass(frozen=True)
class RequestPage:
    """``asked``: the key, for a request to generate one. ``widening``: the scope, for a request to add one.
    ``keys``: those to delete or to keep, otherwise. ``is_usable``: the approval can be used now.

    ``approvers``: the people who can decide now. ``why_not_decide``, ``why_not_use`` and ``why_not_review``
    are empty if the actor may.
    """

    request: AccessRequest
    state: RequestState
    asked: AskedKey | None
    widening: AskedScope | None
    is_usable: bool
    offer: Offer | None
    keys: list[ApiKey]
    verdicts: list[Verdict]
    approvers: list[User]
    is_own: bool
    why_not_decide: str
    why_not_use: str
    why_not_review: str

    @property
    def title(self) -> str:
        return summary(self.request)

    @property
    def missing(self) -> int:
        """Return how many approvals are still missing."""
        given = sum(one.approves and one.digest == self.request.digest for one in self.verdicts)
        return max(0, self.request.needed - given)

    @property
    def is_open(self) -> bool:
        return self.state is RequestState.OPEN

    @property
    def may_withdraw(self) -> bool:
        return self.is_own and self.state in {RequestState.OPEN, RequestState.APPROVED}

    @property
    def may_use(self) -> bool:
        return self.is_usable and not self.why_not_use

    @property
    def waits_for_review(self) -> bool:
        is_done = self.state is RequestState.USED
        return self.request.is_break_glass and is_done and self.request.reviewed_at is None


def request_page(actor: Actor, request_id: UUID) -> RequestPage:
    """Return the data for the page. Raise ``NotFound`` as ``request_for`` does."""
    request = request_for(actor, request_id)
    person = Approver(actor.user_id, actor.role, actor.is_active)
    state = request.state_now()
    kind = RequestKind(request.kind)
    return RequestPage(
        request=request,
        state=state,
        asked=_asked(request) if kind is RequestKind.GENERATE else None,
        widening=asked_scope(request) if kind is RequestKind.WIDEN else None,
        is_usable=kind.is_used_later and is_usable(request),
        offer=_offer(request),
        keys=[] if kind.is_used_later else _keys_to_delete(request),
        verdicts=list(request.verdicts.select_related("approver").order_by("at", "pk")),
        approvers=approvers_of(request) if state is RequestState.OPEN else [],
        is_own=request.requester_id == actor.user_id,
        why_not_decide=why_not_decide(person, request.asked()),
        why_not_use=why_not_use(actor, request) if kind.is_used_later else "",
        why_not_review=why_not_review(person, request.requester_id),
    )


def why_not_use(actor: Actor, request: AccessRequest) -> str:
    """Return why ``actor`` may not generate the approved key, or add the approved scope, or "".

    In assisted mode only admins can create a key in Cerby, so one of them does it for a person who is none.
    A person who approved it may not: the key would act as them.
    """
    if request.kind == RequestKind.WIDEN:
        return _why_not_widen(actor, request)
    if request.requester_id == actor.user_id and not _needs_admin(request):
        return ""
    if not _needs_admin(request):
        return "Only the person who asked for it can generate the key, because it acts as them."
    if not actor.may(Action.GENERATE_KEY):
        return "Cerby lets only admins create API keys. An admin who did not approve the request can do it."
    if actor.user_id in request.asked().decided:
        return "You approved the request. Another admin must create the key, because it acts as them."
    return ""


def _why_not_widen(actor: Actor, request: AccessRequest) -> str:
    if request.requester_id != actor.user_id:
        return "Only the person who asked for it can add the scope."
    return refusal(actor, Action.WIDEN_KEY, ApiKey.objects.get(pk=request.act["key"])) or ""


def _needs_admin(request: AccessRequest) -> bool:
    return settings.CERBY_ISSUE_MODE == "assisted" and Role(request.requester.role) not in ADMINS


def key_request_of(request: AccessRequest) -> KeyRequest:
    """Return the key that was asked for, to look at it. It has no id yet."""
    return thawed(request.act, key_id=uuid.uuid4(), tab_key=NO_TAB_KEY, under=request.pk)


def _asked(request: AccessRequest) -> AskedKey:
    key, role = key_request_of(request), Role(request.least_role)
    owner = request.requester
    reach = Reach.objects.filter(pk=owner.pk).first()
    keys = ApiKey.objects.filter(LISTED, owner=owner, phase=Phase.LIVE, expires_at__gt=timezone.now())
    return AskedKey(
        name=key.name,
        purpose=key.purpose,
        scopes=[catalogue.label(scope) for scope in key.scopes],
        expires=_expires(request.act),
        tier=tier_in(policy_in_force(), requested_facts(role, key)),
        reach=in_words(list(key.scopes), reach.counts() if reach else {}, owner.name),
        violations=would_violate(role, key),
        others=list(keys.order_by("-created_at", "-id")[:SHOWN_KEYS]),
        replaces=ApiKey.objects.filter(pk=key.rotates.old).first() if key.rotates else None,
    )


def _expires(act: dict[str, Any]) -> str:
    words = []
    if act["lasts"] is not None:
        words.append(f"{formatting.duration(timedelta(seconds=act['lasts']))} after it is generated")
    if act["expires_at"] is not None:
        words.append(formatting.exact(datetime.fromisoformat(act["expires_at"])))
    return ", at the latest on ".join(words)


def _offer(request: AccessRequest) -> Offer | None:
    if not request.offer:
        return None
    act = json.loads(request.offer)
    return Offer(digest_of(request.offer), [catalogue.label(one) for one in act["scopes"]], _expires(act))


def _keys_to_delete(request: AccessRequest) -> list[ApiKey]:
    wanted = request.act.get("keys", [])
    found = {str(key.pk): key for key in ApiKey.objects.select_related("owner").filter(pk__in=wanted)}
    return [found[each] for each in wanted if each in found]
