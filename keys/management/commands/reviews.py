"""List reviews, show one, start one, decide about an item, sign off, and write the signed pack."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from keys.actions.audit.export_evidence import export_review
from keys.actions.reviews.decide import decide
from keys.actions.reviews.hand_over import hand_over
from keys.actions.reviews.sign import sign_off
from keys.actions.reviews.start import Starting, start_review
from keys.jobs import tasks
from keys.management.for_people import CommandForPeople
from keys.management.identity import Identity
from keys.models import Campaign, ReviewItem
from keys.rules import formatting
from keys.rules.errors import PortalError
from keys.rules.reviews import CADENCES, CampaignState, Decision
from keys.rules.visible import visible
from keys.selectors.reviews.figures import figures_of
from keys.selectors.reviews.table import numbers_of

IDENTITY = Identity("manage.py reviews", "Nothing was changed.", "do it on the page of the review")
LISTED = 200
CHOICES = [each.value for each in Decision if each is not Decision.NOT_CERTIFIED]


class Command(CommandForPeople):
    help = (
        "List reviews, show one with its undecided items, start one, decide about an item or give it to "
        "another person, sign off, and write the signed pack. If a person acts, it asks for their password "
        "and their second factor, as the page does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(
            dest="act", required=True, metavar="list|show|start|decide|move|sign|pack"
        )
        acts.add_parser("list", help="the newest reviews")
        start = acts.add_parser("start", help="start a review of all active keys that match a filter")
        start.add_argument("name")
        start.add_argument("--filter", default="status=active", help="as in the address of the page API keys")
        start.add_argument("--due", type=_day, required=True, help="such as 2027-01-31")
        start.add_argument("--every", type=int, choices=CADENCES, help="days until the next review")
        start.add_argument("--reviewer", action="append", default=[], help="an email; may be repeated")
        start.add_argument("--reason", required=True, help="why; the audit log has it")
        for act, help_text in (
            ("show", "how far it has come, the figures, and undecided items"),
            ("decide", "decide about an item that is assigned to you"),
            ("move", "give an item to another reviewer"),
            ("sign", "sign off a review that is closed"),
            ("pack", "write the signed pack to a file"),
        ):
            one = acts.add_parser(act, help=help_text)
            one.add_argument("review", type=UUID, help="the id that “list” prints")
            if act in {"decide", "move"}:
                one.add_argument("item", type=int, help="the number that “show” prints")
            if act == "decide":
                one.add_argument("decision", choices=CHOICES)
                one.add_argument("--sentence", default="", help="needed to keep a key with a finding")
            if act == "move":
                one.add_argument("--to", required=True, help="the email of the new reviewer")
            if act in {"move", "sign"}:
                one.add_argument("--reason", required=True, help="why; the audit log has it")
            if act == "pack":
                one.add_argument("--output", type=Path, required=True, help="the .zip file to write")
            if act not in {"show", "pack"}:
                _person(one)
        _person(start)

    def handle(self, *_: Any, act: str, **options: Any) -> None:
        try:
            getattr(self, f"_{act}")(**options)
        except PortalError as error:
            reasons = " ".join(getattr(error, "fields", {}).values())
            raise CommandError(reasons or error.sentence) from error

    def _list(self, **_: Any) -> None:
        found = list(Campaign.objects.order_by("-started_at", "-id")[:LISTED])
        numbers = numbers_of([campaign.pk for campaign in found])
        for campaign in found:
            count, decided = numbers.get(campaign.pk, (0, 0))
            due = formatting.in_utc(campaign.due_at)
            state = CampaignState(campaign.state).label
            self._say(f"{campaign.pk}  {campaign.name}: {state}, {decided} of {count} decided, due {due}")
        if not found:
            self._say("There is no review yet.")

    def _show(self, *, review: UUID, **_: Any) -> None:
        campaign = _found(review)
        count, decided = numbers_of([campaign.pk]).get(campaign.pk, (0, 0))
        self._say(f"{campaign.name}: {CampaignState(campaign.state).label}, {decided} of {count} decided.")
        for one in figures_of(campaign):
            self._say(
                f"{one.name}: {one.decided} decided, median {one.median_seconds}, "
                f"{one.share_in_bulk} in bulk, {one.share_fast} in under 3 seconds."
            )
        undecided = ReviewItem.objects.filter(campaign=campaign, decision="").order_by("id")
        for item in undecided.select_related("reviewer")[:LISTED]:
            reviewer = item.reviewer.email if item.reviewer else "nobody"
            scopes = formatting.scope_list(item.snapshot["scopes"]) or "scopes not known"
            findings = ", ".join(item.snapshot["findings"]) or "no finding"
            self._say(f"{item.pk}  {item.snapshot['name']} ({scopes}; {findings}), reviewer: {reviewer}")

    def _start(self, *, name: str, email: str, **entered: Any) -> None:
        starting = Starting(
            name=name,
            rationale=entered["reason"],
            due_on=entered["due"],
            query=entered["filter"].lstrip("?"),
            cadence=entered["every"],
            named=tuple(each.lower() for each in entered["reviewer"]),
        )
        campaign = start_review(IDENTITY.signed_in(email.lower()), starting, tasks.reviews.enqueue)
        self._say(f"{campaign.pk}  The review is started. The worker lists its keys.")

    def _decide(self, *, review: UUID, item: int, decision: str, sentence: str, email: str, **_: Any) -> None:
        _found(review)
        decide(IDENTITY.signed_in(email.lower()), review, item, Decision(decision), sentence)
        self._say("Your decision is recorded.")

    def _move(self, *, review: UUID, item: int, to: str, reason: str, email: str, **_: Any) -> None:
        _found(review)
        person = hand_over(IDENTITY.signed_in(email.lower()), review, item, to, reason)
        self._say(f"{person.name} is asked to review the API key.")

    def _sign(self, *, review: UUID, reason: str, email: str, **_: Any) -> None:
        _found(review)
        sign_off(IDENTITY.signed_in(email.lower()), review, reason)
        self._say("You signed off the review. The keys that were kept are certified.")

    def _pack(self, *, review: UUID, output: Path, **_: Any) -> None:
        draft = output.with_name(f".{output.name}.new")
        chunks = export_review(None, review)
        with draft.open("wb") as out:
            out.writelines(chunks)
        draft.replace(output)
        self._say(f"Wrote {output}. Verify it with: python verify_pack.py {output} --vkey VKEY")

    def _say(self, text: str) -> None:
        self.stdout.write(visible(text))


def _person(parser: ArgumentParser) -> None:
    parser.add_argument("--as", dest="email", required=True, help="the email of the person who acts")


def _found(review: UUID) -> Campaign:
    found = Campaign.objects.filter(pk=review).first()
    if found is None:
        raise CommandError("There is no such review. “reviews list” prints their ids.")
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no day such as 2027-01-31") from None
