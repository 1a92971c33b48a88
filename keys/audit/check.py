"""Verify the record in the database, with the code that an outsider would do it with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from django.conf import settings
from django.utils import timezone

from keys.audit.checkpoint import signer
from keys.audit.record import Line, record
from keys.audit.verify_bundle import Kind, Report, known_keys, verify
from keys.models import TreeHead


def check(anchors: Iterable[Line] = (), escrows: Iterable[Line] = ()) -> Report:
    """``anchors``: signed notes besides the anchor file's; ``escrows``: first keys of chains of MACs."""
    kept = list(anchors)  # read before the database, which knows everything that they hold
    found = record()
    found["anchors"] = chain(found["anchors"], kept)
    report = verify(found, known_keys(vkeys()), escrows, timezone.now())
    head = TreeHead.objects.first()
    if head is not None and head.forged is not None and Kind.MAC not in report.found:
        report.add(Kind.MAC, head.forged, "The portal noticed it when it sealed the event.")
        report.found[Kind.MAC].times = head.forged_times or 1
    return report


def vkeys() -> list[str]:
    """The public keys that the portal signs with, and has signed with."""
    mine = signer()
    return [*([mine.vkey] if mine else []), *settings.PORTAL_AUDIT_FORMER_VKEYS]
