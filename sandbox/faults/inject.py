"""Inject a fault into a request: carry the request out as the fault says, then send the fault's reply."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.faults import respond
from sandbox.faults.connection import Connection
from sandbox.faults.incident import Work
from sandbox.late_writes import LateWrite

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse

    from sandbox.faults.incident import Incident

_MAX_DELAY = 15.0  # seconds


def inject(incident: Incident, start_response: StartResponse) -> Iterable[bytes]:
    """Carry out the request, note it in the journal, then reply, so that the journal is never behind a reply.

    Raises ConnectionResetError after ending the connection, and the errors of ``Connection``.
    """
    workspace, request, work = incident.workspace, incident.request, incident.work
    arrived_at, connection = incident.now, Connection(request.environ, incident.gate)
    body = b""
    if work is not Work.UNREAD:
        body = request.take_body()
        if incident.fault.prepare is not None:
            incident.fault.prepare(incident)
        incident.honest = workspace.perform(request, incident.now, commit=work is Work.DONE)
    accepted = incident.honest is not None and incident.honest.is_success
    if incident.fault.only_success and not accepted:
        reply = respond.honest(incident)
    else:
        reply = incident.fault.respond(incident)
    sequence = workspace.note(
        request,
        arrived_at,
        reply.status,
        committed=accepted and work is Work.DONE,
        fault=incident.fault.name,
    )
    if accepted and work is Work.LATE:
        seconds = incident.options["seconds"]
        delay = incident.random.uniform(0, _MAX_DELAY) if seconds is None else float(seconds)
        workspace.late_writes.add(LateWrite(arrived_at + timedelta(seconds=delay), sequence, request, body))
    return reply.send(connection, start_response)
