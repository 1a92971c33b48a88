"""Prove a pasted key against Cerby, and turn it into what may be kept of it. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from keys import cerby
from keys.cerby.scope_check import ScopeCheck, check_scopes_granted
from keys.crypto import fingerprint
from keys.models import ApiKey
from keys.rules import key_text, scopes
from keys.rules.errors import Invalid
from keys.rules.policy import Action, Actor
from keys.selectors.key.by_plain_text import keys_with_plain_text


@dataclass(frozen=True)
class Proved:
    """``columns`` are those of the key's row that tell it again; ``verdict`` is what Cerby let it read."""

    columns: dict[str, Any]
    verdict: ScopeCheck


@sensitive_variables()
def prove(actor: Actor, secret: str, asked: Sequence[str], *, accept_less: bool) -> Proved:
    """Ask Cerby, with ``secret`` alone, what it opens, and compare that with ``asked``.

    ``accept_less``: whether the person has agreed to a key that does not have all of ``asked``, or that
    no read can prove. Raises ``Invalid`` with the field ``api_key``, or ``accept_less`` where agreeing
    would do, and ``CerbyError``.
    """
    secret = key_text.check_key_text(secret)
    for key in keys_with_plain_text([secret]):
        raise Invalid(api_key=_known_already(actor, key))
    verdict = check_scopes_granted(asked, cerby.probe_key(secret))
    _check(verdict, accept_less=accept_less)
    print_ = fingerprint.compute(secret, peppers=settings.PORTAL_PEPPERS)
    return Proved(
        columns={
            "pepper_id": print_.pepper_id,
            "fingerprint": print_.digest,
            "last_four": fingerprint.last_four(secret),
            "scopes": verdict.granted,
        },
        verdict=verdict,
    )


def _known_already(actor: Actor, key: ApiKey) -> str:
    if not actor.may(Action.SEE_KEY, key):
        return "This key is already in the inventory. It belongs to somebody else."
    return f"This key is already in the inventory, as “{key.name}”, owned by {key.owner_name}."


def _check(verdict: ScopeCheck, *, accept_less: bool) -> None:
    if verdict.may_be_dead:
        raise Invalid(
            api_key="Cerby does not accept this key: it answered 401 to everything. Look whether it was "
            "copied in full, belongs to this workspace, and is neither expired nor deleted."
        )
    if verdict.wider:
        raise Invalid(api_key=_too_wide(verdict))
    if not verdict.granted:
        raise Invalid(api_key="This key has none of the scopes that were asked for. Is it another key?")
    if accept_less:
        return
    if verdict.missing:
        raise Invalid(accept_less=_too_narrow(verdict))
    if not verdict.accepted:
        raise Invalid(
            accept_less="Cerby answered 401 to everything that can be asked. A key with only these scopes "
            "gets that answer, and so does a wrong key: nothing proves this one."
        )


def _too_wide(verdict: ScopeCheck) -> str:
    more = "; ".join(" or ".join(scopes.label(scope) for scope in either) for either in verdict.wider)
    return (
        f"This key opens more than was asked for: {more}. Take that away in Cerby, under API key settings, "
        "and paste the key again; or ask for these scopes here as well. Nothing was kept."
    )


def _too_narrow(verdict: ScopeCheck) -> str:
    less = ", ".join(scopes.label(scope) for scope in verdict.missing)
    return (
        f"Cerby refuses this key what was asked for: {less}. Add it in Cerby, under API key settings, or "
        "tick the box to go on without it. Then paste the key again."
    )
