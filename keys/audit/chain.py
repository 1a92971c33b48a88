"""Make all nodes use one MAC chain: the first node starts it, and the others get it from a node that has it.

``ratchet.json`` is secret and differs from epoch to epoch, so nobody should have to copy it. A node without
the file asks for the chain in its row (keys.tlog.handover), and a worker of a node that has the chain
answers. Until then the node neither writes nor seals events.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import structlog
from django.db import transaction
from django.utils import timezone

from keys.audit import node
from keys.models import AuditEvent, MacChain, Node
from keys.rules.errors import NotReady
from keys.tlog import handover, mac_ratchet
from keys.tlog.state_files import locked, path_of, replace

JOINING = "joining.json"
"""The private key of this node's request, until the answer has arrived."""
WAITING = (
    "This node has no key for the MACs of the audit log yet, and has asked the other nodes for it. A worker "
    "on one of them answers within seconds if PORTAL_AUDIT_SIGNING_KEY (without it, PORTAL_SECRET_KEY) is "
    "the same on both. If no other node has the key, run `manage.py audit_init --new-chain`."
)
OTHER_CHAIN = (
    "The key for the MACs of the audit log on this node belongs to another chain than that of the database. "
    "Stop this node, move audit/ratchet.json out of its data folder and start it: it gets the key from "
    "another node. If no other node has the key, run `manage.py audit_init --new-chain`."
)

logger = structlog.get_logger(__name__)


class _Checked:
    """``path`` is the file that this process has compared with the database and found right."""

    path: Path | None = None
    refused: str = ""


def require() -> None:
    """Raise ``NotReady`` if this node may not write events. Start the chain if there is none at all."""
    if sentence := problem():
        raise NotReady(sentence)
    if not mac_ratchet.exists():  # without a lock for each event
        mac_ratchet.init()


def problem() -> str:
    """Return what ``find_problem`` returns, but without a query if the last answer was ""."""
    if _Checked.path == path_of(mac_ratchet.FILE) and mac_ratchet.exists():
        return ""
    return find_problem()


def find_problem() -> str:
    """Return why this node may not write or seal events, as a sentence, or "".

    It writes nothing, because it may be called in a transaction that is rolled back or stays open for long.
    """
    _Checked.path = None
    registered = MacChain.objects.values_list("name", flat=True).first()
    is_in_use = registered is not None or AuditEvent.objects.exists()
    if not mac_ratchet.exists():  # after the queries: another process of this node may just have begun
        return WAITING if is_in_use else ""
    if registered not in {None, mac_ratchet.stored().chain}:
        return OTHER_CHAIN
    _Checked.path = path_of(mac_ratchet.FILE)
    return ""


def may_seal() -> bool:
    """Return whether this node can check MACs, so that it marks no event as forged for lack of the chain."""
    return not problem() and mac_ratchet.exists()


def start_new() -> mac_ratchet.Ratchet | None:
    """Start a new chain instead of the registered one, and return its first key; None if there is a file."""
    return mac_ratchet.init(_replace)


def join() -> str:
    """Start the chain, register it or take the next step to get it. Return what ``find_problem`` returns."""
    sentence = find_problem()
    if sentence == WAITING:
        with locked(path_of(JOINING)):
            if not mac_ratchet.exists():
                _ask_or_adopt()
    elif not sentence:
        with suppress(NotReady):  # another node has just started a chain
            if mac_ratchet.init(_register) is None:
                _register(mac_ratchet.stored().chain)
    return find_problem()


def join_if_new() -> None:
    """Call ``join`` if this node has no chain: a portal may run without a worker beside it."""
    if not mac_ratchet.exists():
        join()


def answer_requests() -> None:
    """Encrypt the chain for each node that asks for it."""
    for row in node.others().exclude(request="").filter(answer=""):
        sealed = handover.answer(row.request, str(row.pk), mac_ratchet.stored())
        if sealed is None:
            _note_refused(row.request)
            continue
        Node.objects.filter(pk=row.pk, request=row.request).update(answer=sealed)
        logger.info("chain_handed_over")


def _note_refused(request: str) -> None:
    """Log each refused request once."""
    if request != _Checked.refused:
        _Checked.refused = request
        logger.error("chain_request_refused")


def _ask_or_adopt() -> None:
    row, path = node.own_row(), path_of(JOINING)
    kept = json.loads(path.read_text()) if path.exists() else None
    if kept and row.answer and row.request == kept["request"]:
        chain = handover.open_answer(kept["private"], kept["request"], row.answer)
        if chain is not None and chain.chain == MacChain.objects.values_list("name", flat=True).first():
            mac_ratchet.adopt(chain)
            path.unlink()
            Node.objects.filter(pk=row.pk).update(request="", answer="")
            logger.info("chain_received")
            return
        logger.error("chain_answer_refused")
        kept = None
    if kept is None or not handover.is_fresh(kept["request"]):
        private, request = handover.ask(str(row.pk))
        kept = {"private": private, "request": request}
        replace(path, json.dumps(kept))
    if row.request != kept["request"] or row.answer:
        Node.objects.filter(pk=row.pk).update(request=kept["request"], answer="")


def _register(chain: str) -> None:
    """Name ``chain`` in the database. Raises ``NotReady`` for a new chain if another node was faster."""
    if MacChain.objects.filter(name=chain).exists():
        return
    MacChain.objects.bulk_create([MacChain(name=chain, since=timezone.now())], ignore_conflicts=True)
    if not MacChain.objects.filter(name=chain).exists() and not mac_ratchet.exists():
        raise NotReady(WAITING)


def _replace(chain: str) -> None:
    path_of(JOINING).unlink(missing_ok=True)
    with transaction.atomic():
        MacChain.objects.update_or_create(id=1, defaults={"name": chain, "since": timezone.now()})
