"""Read the explanations of damage from the log. One counts only if the portal itself has written it."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keys.audit import forgeries, notes
from keys.models import AuditEvent
from keys.rules.events import Event
from keys.tlog import mac_ratchet
from keys.tlog.leaf import ERASED
from keys.tlog.merkle import leaf_hash
from keys.verifier.verify_bundle import Kind

LOOKED_AT = 200
"""Explanations, the newest first: a log with more of them has another problem."""


@dataclass(frozen=True)
class Explanation:
    """``is_sealed``: it ends the alarm only if so, because an event that waits could still disappear."""

    who: str
    at: datetime
    words: str
    is_sealed: bool


def damage_name(kind: str, where: str, times: int) -> str:
    """Return such as "ROOT at events 6 to 10" or "TIME at event 7, 3 times".

    An explanation names the damage with these words, so it does not cover damage that is found later: if the
    same damage is found once more, the name differs.
    """
    return f"{kind} at {where}" + (f", {times:,} times" if times > 1 else "")


def damage_in_words(name: str) -> str:
    """Return a name of damage as a sentence, such as "Events 6 to 10: …". Another text stays as it is."""
    kind, _, where = name.partition(" at ")
    return f"{where[:1].upper()}{where[1:]}: {Kind[kind].value}" if kind in Kind.__members__ else name


def forged_name(forged: forgeries.Forged) -> str:
    return damage_name("FORGED", f"event {forged.first}", forged.times)


def is_explained(name: str) -> bool:
    """Return whether a sealed explanation names ``name``."""
    explanation = explanations({name}).get(name)
    return explanation is not None and explanation.is_sealed


def explanations(names: Collection[str]) -> dict[str, Explanation]:
    """Return the newest explanation of each of ``names`` that has one."""
    if not names:
        return {}
    earlier = {name.replace("FORGED at", "MAC at", 1): name for name in names if name.startswith("FORGED at")}
    wanted = {**earlier, **{name: name for name in names}}  # an earlier version called them MAC
    columns = ("actor_name", "at", "leaf", "mac", "mac_chain", "mac_epoch", "sealed__index")
    events = AuditEvent.objects.filter(type=Event.DAMAGE_EXPLAINED).order_by("-at", "-id")
    checked, said = forgeries.checked(), dict[str, Explanation]()
    for who, at, leaf, *proof, digest in events.values_list(*columns, "sealed__leaf_hash")[:LOOKED_AT]:
        with suppress(ValueError, KeyError, TypeError):  # an event from outside may have any form
            details = json.loads(bytes(leaf))["details"]
            explained = {wanted[name] for name in wanted.keys() & set(details["damage"])} - said.keys()
            if explained and _is_written_here(bytes(leaf), proof, digest, checked):
                is_sealed = proof[-1] is not None
                words = Explanation(who or ERASED, at, details["explanation"], is_sealed)
                said |= dict.fromkeys(explained, words)
    return said


def _is_written_here(leaf: bytes, proof: list[Any], digest: Any, checked: forgeries.Checked) -> bool:
    """Return whether the MAC is right now, or was found right while its key still existed."""
    tag, chain, epoch, index = proof
    hashed = leaf_hash(leaf)
    if (digest is not None and bytes(digest) != hashed) or hashed.hex() in checked.forged:
        return False
    if mac_ratchet.has_key(chain, epoch):
        return not forgeries.is_forged(leaf, tag, chain, epoch)
    if index is None:
        return False
    # Another node may have checked it: every MAC is checked before it is signed.
    at = None if hashed.hex() in checked.explanations else notes.signed_at(index)
    return hashed.hex() in checked.explanations or (at is not None and mac_ratchet.had_key(epoch, at))
