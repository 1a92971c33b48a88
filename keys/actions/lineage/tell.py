"""Tell people about the steps of a rotation that the portal takes on its own and that concern them."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone

from keys.actions.notifications.notify import notify
from keys.models import Rotation
from keys.rules import formatting
from keys.rules.notifications import Kind
from keys.rules.rotation import Proof, Sight, Step
from keys.rules.time_zones import zone_of
from keys.rules.visible import named
from keys.selectors.key.people_of_keys import who_answers


def tell_of_step(rotation: Rotation, step: Step, sight: Sight) -> None:
    """Tell the person who started it, and the accountable person or the backup of the old key.

    Call it in the transaction of the step. ``sight`` is from before the step.
    """
    starter, answering = rotation.started_by, who_answers(rotation.old)
    to = [starter if starter.is_active else None, answering]
    with timezone.override(zone_of(filter(None, to))):
        words = _words(rotation, step, sight)
    if words:
        notify(
            Kind.ROTATION_MOVED if step is Step.CALL_OFF else Kind.ROTATION_DUE,
            words=words,
            path=reverse("keys:rotation", args=[rotation.pk]),
            to=to,
            key=rotation.old,
        )


def _words(rotation: Rotation, step: Step, sight: Sight) -> str:
    """Return one sentence for the inbox, or "" if the step concerns nobody."""
    old = f"“{named(rotation.old.name)}”"
    match step:
        case Step.USE_AGAIN | Step.USE_AGAIN_LATE:
            return (
                f"{old} was used again although the new key is in use. Find the software that still has it."
            )
        case Step.MISS:
            ended = f"The overlap of {old} with its successor ended on " + formatting.to_the_minute(
                rotation.overlap_until
            )
            if sight.proof is Proof.QUIET:
                return f"{ended}. The old key is quiet, so you can retire it."
            return f"{ended}, without proof that the old key is no longer used. Retire it or extend."
        case Step.FALL_QUIET:
            return f"{old} is no longer used, and its successor is. You can retire the old key."
        case Step.CALL_OFF:
            return (
                f"The rotation of {old} was called off: the new key was lost, refused or removed. "
                "The old key still works."
            )
        case _:
            return ""
