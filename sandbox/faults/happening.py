"""A fault happens to a request: the workspace is asked as the fault says, then the fault answers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.faults import answers
from sandbox.faults.incident import Work
from sandbox.faults.late import Due
from sandbox.faults.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse

    from sandbox.faults.incident import Incident

_LATEST = 15.0  # seconds


def happen(incident: Incident, start_response: StartResponse) -> Iterable[bytes]:
    """Ask, note in the journal, answer; in this order, so that the journal is right when the answer is out.

    Raises ConnectionResetError where the connection was ended, RuntimeError as ``Line`` does.
    """
    sandbox, request, work = incident.sandbox, incident.request, incident.work
    arrived, line = incident.now, Line(request.environ, sandbox.gate)
    body = b""
    if work is not Work.UNREAD:
        body = request.take_body()
        if incident.fault.prepare is not None:
            incident.fault.prepare(incident)
        incident.honest = sandbox.perform(request, incident.now, commit=work is Work.DONE)
    accepted = incident.honest is not None and incident.honest.is_success
    if incident.fault.only_success and not accepted:
        reply = answers.honest(incident)
    else:
        reply = incident.fault.reply(incident)
    sequence = sandbox.note(
        request,
        arrived,
        reply.status,
        committed=accepted and work is Work.DONE,
        fault=incident.fault.name,
    )
    if accepted and work is Work.LATE:
        delay = incident.options["seconds"]
        seconds = incident.random.uniform(0, _LATEST) if delay is None else float(delay)
        sandbox.due.add(Due(arrived + timedelta(seconds=seconds), sequence, request, body))
    return reply.send(line, start_response)
