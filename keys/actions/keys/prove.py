"""Prove a pasted key by probing Cerby with it. Nothing is stored here."""

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
from keys.rules.permissions import Action, Actor
from keys.selectors.key.by_plain_text import keys_with_plain_text


@dataclass(frozen=True)
class Proved:
    """A proved key: the ``ApiKey`` columns to store, and ``verdict``, the scopes that Cerby confirmed."""

    columns: dict[str, Any]
    verdict: ScopeCheck
    digest_for_log: str


@sensitive_variables()
def prove(actor: Actor, secret: str, asked: Sequence[str], *, accept_less: bool) -> Proved:
    """Probe Cerby with ``secret``, and compare the scopes that it has with ``asked``.

    ``accept_less``: the person agrees to a key that lacks some of ``asked`` or that no read can prove.
    Raises ``Invalid`` for the field ``accept_less`` if the person can agree, else for the field ``api_key``.
    """
    secret = key_text.check_key_text(secret)
    for key in keys_with_plain_text([secret]):
        raise Invalid(api_key=_already_known(actor, key))
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
        digest_for_log=fingerprint.digest_for_log(print_),
    )


def _already_known(actor: Actor, key: ApiKey) -> str:
    if not actor.may(Action.SEE_KEY, key):
        return "This key is already in the inventory. It belongs to another person."
    return f"This key is already in the inventory, as “{key}”, owned by {key.owner_name}."


def _check(verdict: ScopeCheck, *, accept_less: bool) -> None:
    if not verdict.accepted and len(verdict.absent) == len(cerby.PROBES):
        raise Invalid(
            api_key="Cerby answered 404 to every request, so the portal may ask at a wrong address. Ask a "
            "portal administrator to check CERBY_BASE_URL. Nothing was stored."
        )
    if verdict.may_be_dead:
        raise Invalid(
            api_key=f"Cerby does not accept this key: it answered {_statuses(verdict)}. Check that it was "
            "copied in full, belongs to this workspace, and is neither expired nor deleted."
        )
    if verdict.wider:
        raise Invalid(api_key=_too_wide(verdict))
    if not verdict.granted:
        raise Invalid(api_key="This key has none of the requested scopes. Is it another key?")
    if accept_less:
        return
    if verdict.missing:
        raise Invalid(accept_less=_too_narrow(verdict))
    if not verdict.accepted:
        raise Invalid(
            accept_less=f"Cerby answered {_statuses(verdict)}. A key with only these scopes gets this "
            "answer, but so does a wrong key, so the portal cannot tell whether this one works."
        )
    if not verdict.opened:
        raise Invalid(
            accept_less=f"Cerby answered 403 when the key was used to read {', '.join(verdict.forbidden)}: "
            "it knows the key, but the role of the key's owner does not allow that. So the portal cannot see "
            "which scopes the key has."
        )


def _statuses(verdict: ScopeCheck) -> str:
    """Complete "Cerby answered …" for a key that opened nothing and was never answered with 403."""
    if not verdict.absent:
        return "401 to every request"
    return f"401 to some requests, and 404 to the reads of {', '.join(verdict.absent)}"


def _too_wide(verdict: ScopeCheck) -> str:
    more = "; ".join(" or ".join(scopes.label(scope) for scope in either) for either in verdict.wider)
    return (
        f"This key has more than the requested scopes: {more}. Remove them in Cerby, under API key settings, "
        "and paste the key again, or request these scopes here as well. Nothing was stored."
    )


def _too_narrow(verdict: ScopeCheck) -> str:
    less = ", ".join(scopes.label(scope) for scope in verdict.missing)
    return (
        f"This key lacks requested scopes: {less}. Add them in Cerby, under API key settings, or "
        "tick the box to go on without them. Then paste the key again."
    )
