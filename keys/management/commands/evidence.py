"""Write an evidence pack to a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.actions.audit.export_evidence import export_evidence
from keys.rules.errors import Invalid, PortalError


class Command(BaseCommand):
    help = "Write keys, roles and rules as of a time, and all events of a period, with their proofs."

    def add_arguments(self, parser: CommandParser) -> None:
        moment = "a day such as 2026-07-01 or a time such as 2026-07-01T12:00+02:00; UTC without an offset"
        parser.add_argument("--from", dest="since", required=True, help=f"start of the period: {moment}")
        parser.add_argument(
            "--to", dest="until", required=True, help="end of the period; a day is included as a whole"
        )
        parser.add_argument("--as-of", dest="as_of", help="time of keys, roles and rules (default: now)")
        parser.add_argument(
            "--output", type=Path, required=True, help="the .zip file to write; an existing one is replaced"
        )

    def handle(self, *_: Any, since: str, until: str, as_of: str | None, output: Path, **__: Any) -> None:
        draft = output.with_name(f".{output.name}.new")
        try:
            pack = export_evidence(
                None, _moment(since), _moment(until, day_ends=True), _moment(as_of) if as_of else None
            )
        except Invalid as invalid:
            raise CommandError(" ".join(invalid.fields.values()) or invalid.sentence) from invalid
        except PortalError as error:
            raise CommandError(error.sentence) from error
        with draft.open("wb") as out:
            out.writelines(pack)
        draft.replace(output)
        self.stdout.write(f"Wrote {output}. Verify it with: python verify_pack.py {output} --vkey VKEY")


def _moment(text: str, *, day_ends: bool = False) -> datetime:
    """Parse a day or a time. With ``day_ends``, a day means its end. Raises ``CommandError``."""
    try:
        if len(text) == len("2026-07-01"):
            day = datetime.combine(date.fromisoformat(text), time.min, tzinfo=UTC)
            return day + timedelta(days=1) if day_ends else day
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"{text} is neither a day such as 2026-07-01 nor a time such as 2026-07-01T12:00+02:00."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
