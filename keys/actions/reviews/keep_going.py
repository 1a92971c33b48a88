"""Do what campaigns need from time to time: the background job of reviews."""

from __future__ import annotations

from keys.actions.reviews.close import close_reviews
from keys.actions.reviews.finish import finish_decisions
from keys.actions.reviews.freeze import freeze_reviews
from keys.actions.reviews.hand_over import replace_absent
from keys.actions.reviews.sign import certify
from keys.actions.reviews.start import repeat_reviews


def keep_reviews_going() -> str:
    """Start, freeze and close campaigns, certify keys, and follow decisions. Return a summary."""
    started, opened = repeat_reviews(), freeze_reviews()
    moved, closed = replace_absent(), close_reviews()
    certify()
    return (
        f"Reviews started: {started}; opened: {opened}; closed: {closed}; items moved: {moved}; "
        f"decisions carried out: {finish_decisions()}"
    )
