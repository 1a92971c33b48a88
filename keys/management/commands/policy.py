"""Show, check, propose, approve or export the policy for keys on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from keys.actions.policy.decide import approve_policy
from keys.actions.policy.propose import checked_preview, propose_policy
from keys.management.for_people import CommandForPeople
from keys.management.identity import Identity
from keys.models import PolicyVersion
from keys.models.policy import DEFAULT_DOCUMENT
from keys.rules.errors import Invalid, PortalError
from keys.rules.policy.in_words import rule_in_words
from keys.rules.policy.written import LONGEST, read_stored
from keys.rules.visible import visible
from keys.selectors.policy.preview import SHOWN, Preview, breaking_keys

IDENTITY = Identity("manage.py policy", "Nothing was saved.", "use the page Policy")


class Command(CommandForPeople):
    help = (
        "Show the policy for API keys, check who would break another one, propose or approve one, or export "
        "it as JSON. To propose or approve, it asks for the password of the person, as delete_key does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="what", required=True)
        parts.add_parser("show", help="each rule in words, and the proposal that waits")
        parts.add_parser("export", help="the policy in force as JSON")
        check = parts.add_parser("check", help="who would break the policy in FILE")
        propose = parts.add_parser("propose", help="propose the policy in FILE")
        approve = parts.add_parser("approve", help="approve a proposed version")
        for part in (check, propose):
            part.add_argument("file", metavar="FILE", type=Path)
        approve.add_argument("number", type=int)
        propose.add_argument("--reason", required=True, help="why the policy changes, for the audit log")
        for part in (propose, approve):
            part.add_argument("--as", dest="email", required=True, help="the email of the person")
            part.add_argument("--seen", required=True, help="the digest that check or show has printed")

    def handle(self, *_: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(**options)
        except Invalid as error:
            raise CommandError(" ".join(error.fields.values()) or error.sentence) from error
        except PortalError as error:
            raise CommandError(error.sentence) from error

    def _show(self, **_: Any) -> None:
        version = PolicyVersion.in_force()
        name = f"Version {version.number}, by {version.author.name}" if version else "The portal's own policy"
        self.stdout.write(visible(name))
        policy = read_stored(version.document if version else DEFAULT_DOCUMENT)
        for rule, values in policy.rules.items():
            self.stdout.write(f"{rule.label} ({values.mode}): {rule_in_words(rule, values)}")
        waiting = PolicyVersion.objects.filter(state=PolicyVersion.State.PROPOSED).first()
        if waiting is not None:
            self.stdout.write(visible(f"Version {waiting.number} waits for a decision: {waiting.reason}"))
            self._print(checked_preview(waiting.document))

    def _export(self, **_: Any) -> None:
        version = PolicyVersion.in_force()
        self.stdout.write(version.document if version else DEFAULT_DOCUMENT, ending="")

    def _check(self, file: Path, **_: Any) -> None:
        self._print(checked_preview(_text(file)))

    def _propose(self, *, file: Path, email: str, reason: str, seen: str, **_: Any) -> None:
        document = _text(file)
        version = propose_policy(IDENTITY.signed_in(email.lower()), document, reason=reason, seen=seen)
        is_active = version.state == PolicyVersion.State.ACTIVE
        said = "is in force." if is_active else "is proposed. Another Owner or Super Admin must approve it."
        self.stdout.write(f"Version {version.number} {said}")

    def _approve(self, *, number: int, email: str, seen: str, **_: Any) -> None:
        approve_policy(IDENTITY.signed_in(email.lower()), number, seen=seen)
        self.stdout.write(f"Version {number} is in force.")

    def _print(self, found: Preview) -> None:
        for rule in found.rules:
            keys = "" if rule.after is None else f"; keys outside: {rule.before} today, {rule.after} then"
            name = rule.change.label
            self.stdout.write(f"{name}: {rule.change.effect}{keys}; requests not allowed: {rule.refused}")
        self.stdout.write(f"Active keys that are newly outside: {found.newly:,}")
        for each in breaking_keys(found.groups, SHOWN):
            why = " ".join(broken.words for broken in each.violations)
            self.stdout.write(visible(f"  {each.key.owner_email}  {each.key}  {why}"))
        if found.newly > SHOWN:
            self.stdout.write(f"  … and {found.newly - SHOWN:,} more")
        must = "must approve it" if found.needs_approval else "need not approve it"
        self.stdout.write(f"Another person {must}. Digest of this answer: {found.digest}")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read as a text in UTF-8. Nothing was saved.") from error
