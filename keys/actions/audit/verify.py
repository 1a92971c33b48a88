"""Verify the record of what happened, in the background: when somebody asks, and once a day unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from keys.audit import log
from keys.audit.guard import authorize
from keys.audit.self_check import check
from keys.models import Verification
from keys.rules.errors import Conflict
from keys.rules.events import Event
from keys.rules.policy import Action, Actor
from keys.selectors.health.damage import damage_name
from keys.selectors.health.verification import running
from keys.verifier.verify_bundle import CANNOT_READ, Damage, Report

logger = structlog.get_logger(__name__)


def ask(actor: Actor, enqueue: Callable[[int], object]) -> None:
    """Record that somebody wants to know, and ``enqueue`` the verification by its id, or neither.

    Raises ``NotAllowed``, and ``Conflict`` while one is going on.
    """
    authorize(actor, Action.VERIFY_RECORD)
    with transaction.atomic():
        if running() is not None:
            raise Conflict("The record is being verified at this moment. Wait for that to end.")
        log.append(Event.VERIFICATION_STARTED, actor=actor)
        enqueue(Verification.objects.create(asked_at=timezone.now(), asked_by=actor.name).pk)


def verify_unasked() -> str:
    """What the portal does by itself; one of its own that was broken off, first. Returns what was found."""
    mine = Verification.objects.filter(asked_by=log.THE_PORTAL, finished_at=None).order_by("id").first()
    return carry_out(mine or Verification.objects.create(asked_at=timezone.now(), asked_by=log.THE_PORTAL))


def carry_out(verification: Verification) -> str:
    """Read the whole record, and keep what was found, once, however often it is asked. Says it in words."""
    failure, report = "", Report()
    try:
        report = check()
    except (*CANNOT_READ, DatabaseError) as error:
        logger.exception("the_record_could_not_be_read")
        failure = (
            f"The record could not be read to its end ({type(error).__name__}). The worker's log says more."
        )
    names = [_name(damage) for damage in report.damage]
    columns = _columns(report) | {"finished_at": timezone.now(), "failure": failure}
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
    return failure or f"{report.events:,} events: {'; '.join(names) or 'nothing is wrong'}"


def _columns(report: Report) -> dict[str, Any]:
    signed = {"size": report.checkpoint.size, "signed_at": report.checkpoint.at} if report.checkpoint else {}
    return {
        "events": report.events,
        "unsealed": report.unsealed,
        "erased": report.erased,
        "damage": [_described(damage) for damage in report.damage],
        **signed,
    }


def _described(damage: Damage) -> dict[str, Any]:
    return {
        "kind": damage.kind.name,
        "meaning": damage.kind.value,
        "where": damage.where,
        "words": damage.words,
        "times": damage.times,
    }


def _name(damage: Damage) -> str:
    return damage_name(damage.kind.name, damage.where, damage.times)
