"""Write the items of a review, its counts and its figures for an evidence pack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keys.models import Campaign, ReviewItem, User
from keys.rules.csv_cells import line
from keys.rules.formatting import scope_list, utc, utc_microseconds
from keys.rules.reviews import TOO_FAST, Decision

HEADER = [
    "Key id", "Name", "Owner's number", "Scopes", "Purpose", "Expires (UTC)", "Last used (UTC)", "Findings",
    "Since it was last kept", "Reviewer's number", "Decision", "Sentence", "Decided by", "Decided at (UTC)",
    "In bulk", "Milliseconds", "Carried out at (UTC)",
]  # fmt: skip
_FAST = TOO_FAST.total_seconds() * 1000
CHUNK = 500


@dataclass
class ReviewInPack:
    """A campaign. ``rows``, ``lines`` and ``summary`` read its items in the order of the freeze."""

    campaign: Campaign

    def rows(self) -> Iterator[dict[str, Any]]:
        for item in self._items():
            yield {
                "key": str(item.key_id),
                "snapshot": item.snapshot,
                "comparison": item.comparison,
                "decision": item.decision,
                "by": str(item.decided_by_id) if item.decided_by_id else None,
                "in_bulk": item.in_bulk,
                "milliseconds": item.took,
            }

    def lines(self) -> Iterator[str]:
        """Yield the rows as a table for people."""
        yield line(HEADER)
        for item in self._items():
            kept = item.snapshot
            yield line(
                [
                    str(item.key_id), kept["name"], str(kept["owner"]), scope_list(kept["scopes"]),
                    kept["purpose"], kept["expires_at"], kept["last_used_at"] or "",
                    ", ".join(kept["findings"]),
                    item.comparison, str(item.reviewer_id or ""),
                    Decision(item.decision).label if item.decision else "Undecided", item.sentence,
                    str(item.decided_by_id or ""), utc(item.decided_at), "yes" if item.in_bulk else "no",
                    str(item.took if item.took is not None else ""), utc(item.done_at),
                ]
            )  # fmt: skip

    def _items(self) -> Iterator[ReviewItem]:
        return ReviewItem.objects.filter(campaign=self.campaign).order_by("id").iterator(chunk_size=CHUNK)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that verify_pack.py counts again."""
        answers, people = Counter[str](), dict[int, list[ReviewItem]]()
        columns = ("id", "decision", "decided_by_id", "in_bulk", "took")
        for item in ReviewItem.objects.filter(campaign=self.campaign).only(*columns).order_by("id"):
            answers[item.decision or "undecided"] += 1
            if item.decided_by_id:
                people.setdefault(item.decided_by_id, []).append(item)
        campaign = self.campaign
        names = dict(User.objects.filter(pk__in=people).values_list("pk", "name"))
        return {
            "campaign": str(campaign.pk),
            "name": campaign.name,
            "state": campaign.state,
            "due_at": utc_microseconds(campaign.due_at),
            "count": answers.total(),
            "answers": dict(sorted(answers.items())),
            "signed_by": str(campaign.signed_by_id) if campaign.signed_by_id else None,
            "figures": [
                {"person": str(person), "name": names.get(person, ""), **_figures(items)}
                for person, items in sorted(people.items())
            ],
        }


def _figures(items: list[ReviewItem]) -> dict[str, Any]:
    times = sorted(item.took for item in items if item.took is not None)
    return {
        "decided": len(items),
        "in_bulk": sum(item.in_bulk for item in items),
        "fast": sum(took < _FAST for took in times),
        "median": times[(len(times) - 1) // 2] if times else None,
    }
