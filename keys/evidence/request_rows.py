"""Find requests for approval that contradict the audit log: changed, deleted, or never opened by an event."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from keys.evidence.contradiction import Contradiction
from keys.evidence.logged_facts import CLOSE
from keys.models import AccessRequest, AuditEvent, Verdict
from keys.rules.events import Event
from keys.rules.requests import USE_WITHIN, RequestState, digest_of

OPENS = (Event.REQUEST_OPENED, Event.REQUEST_BREAK_GLASS)
ABOUT = tuple(event for event in Event if event.startswith("request:"))
ENDS = {
    Event.REQUEST_DENIED: RequestState.DENIED,
    Event.REQUEST_WITHDRAWN: RequestState.WITHDRAWN,
    Event.REQUEST_OUT_OF_DATE: RequestState.STALE,
    Event.REQUEST_USED: RequestState.USED,
}
ERASED = "@erased.invalid"
"""Stands in a document of which a part was erased, so that it has another hash."""
PAGE = 500


def changed_requests() -> Iterator[Contradiction]:
    """Report only what is still found when everything is read again: a request may change meanwhile."""
    found = list(_differences())
    if found:
        again = set(_differences())
        yield from (one for one in found if one in again)


def _differences() -> Iterator[Contradiction]:
    logged = _logged()
    rows = {row.pk: row for row in AccessRequest.objects.iterator(chunk_size=PAGE)}
    verdicts: dict[UUID, set[tuple[int, bool, str]]] = {}
    for verdict in Verdict.objects.iterator(chunk_size=PAGE):
        one = (verdict.approver_id, verdict.approves, verdict.digest)
        verdicts.setdefault(verdict.request_id, set()).add(one)
    for request_id, right in logged.items():
        row = rows.pop(request_id, None)
        if row is None:
            yield Contradiction(right["event"], f"Request {request_id}: its row was deleted.")
            continue
        columns = ("requester_id", "needed", "digest", "state", "ticket", "least_role", "decide_by", "reason")
        for name in columns:
            if getattr(row, name) != right[name]:
                words = f"{name} is {getattr(row, name)!r} in its row, and {right[name]!r} in the log."
                yield Contradiction(right["event"], f"Request {request_id}: {words}")
        if digest_of(row.document) != row.digest and ERASED not in row.document:
            words = "its document does not have its hash."
            yield Contradiction(right["event"], f"Request {request_id}: {words}")
        if (row.use_by is None) != (right["use_by"] is None) or (
            row.use_by is not None and abs(row.use_by - right["use_by"]) > CLOSE
        ):
            yield Contradiction(right["event"], f"Request {request_id}: its last moment is not in the log.")
        if verdicts.get(request_id, set()) != right["verdicts"]:
            yield Contradiction(right["event"], f"Request {request_id}: its verdicts are not in the log.")
    for request_id in rows:
        yield Contradiction(None, f"Request {request_id}: no event opened it.")


def _logged() -> dict[UUID, dict[str, Any]]:
    """Return the columns of each request according to its events."""
    found: dict[UUID, dict[str, Any]] = {}
    events = AuditEvent.objects.filter(type__in=ABOUT, outcome="done").order_by("id")
    for event in events.iterator(chunk_size=PAGE):
        said = event.details
        request_id = UUID(said["request"])
        if event.type in OPENS:
            found[request_id] = {
                "requester_id": event.actor_id,
                "needed": said["needed"],
                "digest": said["digest"],
                "ticket": said.get("ticket", ""),
                "state": RequestState.APPROVED if "ticket" in said else RequestState.OPEN,
                "verdicts": set(),
                "least_role": said["least_role"],
                "decide_by": datetime.fromisoformat(said["until"]),
                "reason": event.reason,
                "use_by": event.at + USE_WITHIN if "ticket" in said else None,
            }
        request = found.get(request_id)
        if request is not None:
            request["event"] = event.pk
            _apply(request, event)
    return found


def _apply(request: dict[str, Any], event: AuditEvent) -> None:
    """Change ``request`` as ``event`` says."""
    kind, digest = Event(event.type), event.details["digest"]
    if kind in {Event.REQUEST_APPROVED, Event.REQUEST_DENIED}:
        request["verdicts"].add((event.actor_id, kind is Event.REQUEST_APPROVED, digest))
        approvals = [each for each in request["verdicts"] if each[1] and each[2] == request["digest"]]
        if len(approvals) >= request["needed"]:
            request["state"], request["use_by"] = RequestState.APPROVED, event.at + USE_WITHIN
    if kind is Event.REQUEST_OFFER_ACCEPTED:
        request["digest"] = digest
    if kind in ENDS:
        request["state"] = ENDS[kind]
