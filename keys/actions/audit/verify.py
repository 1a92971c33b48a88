"""Verify the audit log in the background, at a person's request and once a day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from keys.audit import forgeries, log
from keys.audit.explanations import damage_in_words, damage_name
from keys.audit.guard import authorize
from keys.audit.results import seal_of
from keys.audit.self_check import check
from keys.evidence.row_check import check_rows
from keys.models import Throttle, Verification
from keys.models.throttle import throttle_name
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.permissions import Action, Actor
from keys.selectors.health.verification import running
from keys.verifier.verify_bundle import CANNOT_READ, Damage, Report

logger = structlog.get_logger(__name__)


def request_verification(actor: Actor, enqueue: Callable[[int], object]) -> None:
    """Record the request for a verification and ``enqueue`` it by its id, both or neither.

    Raises ``Conflict`` if a verification is running.
    """
    authorize(actor, Action.VERIFY_RECORD)
    with transaction.atomic():
        Throttle.objects.locked(throttle_name("verification"))  # of two people who ask, one starts it
        if running() is not None:
            raise Conflict("The audit log is already being verified. Wait until that has finished.")
        log.append(Event.VERIFICATION_STARTED, actor=actor)
        enqueue(Verification.objects.create(asked_at=timezone.now(), asked_by=actor.name).pk)


def verify_daily() -> str:
    """Run the daily verification and return its summary. An interrupted earlier one is finished first."""
    unfinished = Verification.objects.filter(asked_by=log.THE_PORTAL, finished_at=None).order_by("id").first()
    return carry_out(
        unfinished or Verification.objects.create(asked_at=timezone.now(), asked_by=log.THE_PORTAL)
    )


def carry_out(verification: Verification) -> str:
    """Verify the whole log, store the result if it is not stored yet, and return a summary."""
    failure, report, uncompared = "", Report(), 0
    try:
        report = check()
        uncompared = check_rows(report)
    except (*CANNOT_READ, DatabaseError) as error:
        logger.exception("the_record_could_not_be_read")
        failure = (
            f"The audit log could not be read to its end ({type(error).__name__}). "
            "The worker's log says more."
        )
    names = [_name(damage) for damage in report.damage]
    columns = _columns(report) | {"finished_at": timezone.now(), "failure": failure}
    columns["uncompared"] = uncompared
    for column, value in columns.items():
        setattr(verification, column, value)
    columns["seal"] = seal_of(verification)
    with transaction.atomic():
        if Verification.objects.filter(pk=verification.pk, finished_at=None).update(**columns) == 1:
            log.append(
                Event.RECORD_VERIFIED,
                actor=None,
                outcome=log.Outcome.FAILED if report.found or failure else log.Outcome.DONE,
                reason=failure,
                events=report.events,
                damage=names,
            )
    return (
        failure or f"{report.events:,} events: {' '.join(map(damage_in_words, names)) or 'nothing is wrong'}"
    )


def _columns(report: Report) -> dict[str, Any]:
    signed = {"size": report.checkpoint.size, "signed_at": report.checkpoint.at} if report.checkpoint else {}
    return {
        "events": report.events,
        "unsealed": report.unsealed,
        "erased": report.erased,
        "unchecked": forgeries.count_unchecked(),
        "damage": [_as_dict(damage) for damage in report.damage],
        **signed,
    }


def _as_dict(damage: Damage) -> dict[str, Any]:
    return {
        "kind": damage.kind.name,
        "meaning": damage.kind.value,
        "where": damage.where,
        "words": damage.words,
        "times": damage.times,
    }


def _name(damage: Damage) -> str:
    return damage_name(damage.kind.name, damage.where, damage.times)
