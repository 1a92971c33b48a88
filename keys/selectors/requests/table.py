"""Return the list of requests, newest first: those that wait for the actor, the actor's own, or all."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import F, QuerySet
from django.http import QueryDict
from django.utils import timezone

from keys.models import AccessRequest
from keys.rules.permissions import Action, Actor, Role
from keys.rules.requests import DECIDE_WITHIN, RequestState, words_of
from keys.selectors.inventory.keyset import Order, Page, page
from keys.selectors.requests.figures import RequestFigures, request_figures

WAITING, MINE, REVIEW, ALL = "waiting", "mine", "review", "all"
NEWEST_FIRST = Order((F("made_at"), F("id")), descending=True)


class RequestsForm(forms.Form):
    show = forms.ChoiceField(
        label="Show",
        required=False,
        choices=[
            (WAITING, "Waiting for a decision"),
            (MINE, "My requests"),
            (REVIEW, "Without approval, to be reviewed"),
            (ALL, "All"),
        ],
    )


@dataclass(frozen=True)
class RequestRow:
    request: AccessRequest
    state: RequestState
    summary: str
    may_decide: bool


@dataclass(frozen=True)
class Requests:
    form: RequestsForm
    show: str
    page: Page[Any]
    rows: list[RequestRow]
    figures: RequestFigures | None


def requests_of(actor: Actor, params: QueryDict) -> Requests:
    """Return one page. People who do not see all keys see only their own requests."""
    sees_all = actor.may(Action.SEE_INVENTORY)
    show = params.get("show") or (WAITING if sees_all else MINE)
    form = RequestsForm({"show": show})
    if not form.is_valid() or not sees_all:
        show = WAITING if sees_all else MINE
    now = timezone.now()
    mine = AccessRequest.objects.filter(requester_id=actor.user_id)
    wanted = mine if show == MINE else requests_in(show, now)
    found = page(
        wanted.values_list("id"),
        NEWEST_FIRST,
        AccessRequest.objects.all(),
        after=_id(params.get("after")),
        before=_id(params.get("before")),
    )
    ids = [row[0] for row in found.rows]
    rows = AccessRequest.objects.select_related("requester").in_bulk(ids)
    listed = [_row(rows[pk], actor) for pk in ids]
    figures = request_figures(now) if sees_all else None
    return Requests(RequestsForm({"show": show}), show, found, listed, figures)


def requests_in(show: str, now: datetime) -> QuerySet[AccessRequest]:
    """Return the requests of everybody in one part of the list."""
    if show == REVIEW:
        done = AccessRequest.objects.filter(state=RequestState.USED)
        return done.exclude(ticket="").filter(reviewed_at=None)
    if show == WAITING:
        # Older ones have expired. Without the bound, the index would be walked to its end.
        recent = AccessRequest.objects.filter(state=RequestState.OPEN, made_at__gt=now - DECIDE_WITHIN)
        return recent.filter(decide_by__gt=now)
    return AccessRequest.objects.all()


def _row(request: AccessRequest, actor: Actor) -> RequestRow:
    state = request.state_now()
    may = state is RequestState.OPEN and request.requester_id != actor.user_id
    reaches = actor.role >= min(request.least_role, Role.SUPER_ADMIN)
    return RequestRow(request, state, summary(request), may and reaches)


def summary(request: AccessRequest) -> str:
    words = words_of(request.act)
    return f"{words[0].upper()}{words[1:]}"


def _id(text: str | None) -> UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
