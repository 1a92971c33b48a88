"""List requests for approval, show one, and decide about it as a person of the portal."""

from __future__ import annotations

from argparse import ArgumentParser
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils import timezone

from keys.actions.approved.begin import begin
from keys.actions.requests.decide import approve, deny
from keys.jobs import tasks
from keys.management.for_people import CommandForPeople
from keys.management.identity import Identity
from keys.models import AccessRequest
from keys.rules import formatting
from keys.rules.errors import PortalError
from keys.rules.requests import DECIDE_WITHIN, RequestState
from keys.rules.visible import visible
from keys.selectors.requests.approvers import approvers_of
from keys.selectors.requests.table import summary

IDENTITY = Identity("manage.py requests", "Nothing was decided.", "decide on the page of the request")
LISTED = 200


class Command(CommandForPeople):
    help = (
        "List the requests that wait for a decision, show one, approve it or deny it. To decide, it asks for "
        "the password and the second factor of the person, as the page does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="list|show|approve|deny")
        acts.add_parser("list", help="the requests that wait for a decision")
        for act, help_text in (
            ("show", "the frozen act, and who can decide"),
            ("approve", "approve it exactly as shown"),
            ("deny", "deny it for good"),
        ):
            one = acts.add_parser(act, help=help_text)
            one.add_argument("request", type=UUID, help="the request's id")
            if act != "show":
                one.add_argument(
                    "--as", dest="email", required=True, help="the email of the person who decides"
                )
            if act == "approve":
                one.add_argument("--hash", required=True, help="the hash that “show” printed")
            if act == "deny":
                one.add_argument("--reason", required=True, help="why; the audit log has it")

    def handle(self, *_: Any, act: str, **options: Any) -> None:
        try:
            getattr(self, f"_{act}")(**options)
        except PortalError as error:
            reasons = " ".join(getattr(error, "fields", {}).values())
            raise CommandError(reasons or error.sentence) from error

    def _list(self, **_: Any) -> None:
        now = timezone.now()
        waiting = AccessRequest.objects.filter(
            state=RequestState.OPEN, made_at__gt=now - DECIDE_WITHIN, decide_by__gt=now
        )
        found = list(waiting.select_related("requester").order_by("made_at", "id")[:LISTED])
        for request in found:
            by = formatting.in_utc(request.decide_by)
            self._say(f"{request.pk}  {summary(request)}, asked by {request.requester.email}, decide by {by}")
        if not found:
            self._say("No request waits for a decision.")

    def _show(self, *, request: UUID, **_: Any) -> None:
        found = _found(request)
        self._say(f"{summary(found)}: {found.state_now().label}")
        self._say(f"Asked by {found.requester.email} on {formatting.in_utc(found.made_at)}: {found.reason}")
        self._say(found.document)
        self._say(f"Hash: {found.digest}. Approvals needed: {found.needed}.")
        if found.state_now() is RequestState.OPEN:
            people = ", ".join(person.email for person in approvers_of(found))
            self._say(f"Can decide: {people or 'nobody else'}")

    def _approve(self, *, request: UUID, email: str, hash: str, **_: Any) -> None:  # noqa: A002 - its option
        _found(request)
        actor = IDENTITY.signed_in(email.lower())
        act = partial(begin, enqueue=tasks.bulk_action.enqueue)
        approved = approve(actor, request, digest=hash, begin=act)
        more = " It needs another approval." if approved.state == RequestState.OPEN else ""
        self._say(f"You approved the request.{more}")

    def _deny(self, *, request: UUID, email: str, reason: str, **_: Any) -> None:
        _found(request)
        deny(IDENTITY.signed_in(email.lower()), request, reason=reason)
        self._say("You denied the request.")

    def _say(self, text: str) -> None:
        self.stdout.write(visible(text))


def _found(request_id: UUID) -> AccessRequest:
    found = AccessRequest.objects.select_related("requester").filter(pk=request_id).first()
    if found is None:
        raise CommandError("There is no such request. “requests list” prints the ids of those that wait.")
    return found
