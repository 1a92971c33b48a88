"""Freeze a request for a key as a document, and build the request for the key from the document again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from keys.rules.requests import RequestKind
from keys.rules.rotation import Because, Rotating
from keys.rules.scopes import in_order
from keys.validation.new_key import KeyRequest
from keys.validation.ownership import Ownership


def frozen(request: KeyRequest, lasts: timedelta | None) -> dict[str, Any]:
    """Return the document for ``request``. ``lasts``: if the person chose how long the key is valid, such as
    1 day, that time, which counts from the moment at which the key is generated.
    """
    return {
        "kind": RequestKind.GENERATE.value,
        "name": request.name,
        "purpose": request.purpose,
        "scopes": in_order(request.scopes),
        "lasts": int(lasts.total_seconds()) if lasts is not None else None,
        "expires_at": None if lasts is not None else request.expires_at.isoformat(),
        "ownership": _ownership(request.ownership),
        "rotates": _rotates(request.rotates),
    }


def _ownership(ownership: Ownership) -> dict[str, Any]:
    values = asdict(ownership)
    return {
        **values,
        "review_on": ownership.review_on.isoformat() if ownership.review_on else None,
        "tags": list(ownership.tags),
    }


def _rotates(rotating: Rotating | None) -> dict[str, Any] | None:
    if rotating is None:
        return None
    overlap = int(rotating.overlap.total_seconds())
    return {"old": str(rotating.old), "because": rotating.because.value, "overlap": overlap}


def thawed(
    act: dict[str, Any], *, key_id: UUID, tab_key: bytes, under: UUID, now: datetime | None = None
) -> KeyRequest:
    """Return the request for the key ``key_id`` that the document ``act`` describes, under an approval."""
    named = act["ownership"]
    review_on = date.fromisoformat(named["review_on"]) if named["review_on"] else None
    return KeyRequest(
        id=key_id,
        name=act["name"],
        purpose=act["purpose"],
        expires_at=expires_at(act, now or timezone.now()),
        scopes=tuple(act["scopes"]),
        tab_key=tab_key,
        ownership=Ownership(**{**named, "review_on": review_on, "tags": tuple(named["tags"])}),
        rotates=_rotating(act["rotates"]),
        under=under,
    )


def _rotating(values: dict[str, Any] | None) -> Rotating | None:
    if values is None:
        return None
    return Rotating(UUID(values["old"]), Because(values["because"]), timedelta(seconds=values["overlap"]))


def expires_at(act: dict[str, Any], now: datetime) -> datetime:
    """Return when the key expires if it is generated now, at the latest at the moment asked for."""
    ends = [now + timedelta(seconds=act["lasts"])] if act["lasts"] is not None else []
    ends += [datetime.fromisoformat(act["expires_at"])] if act["expires_at"] is not None else []
    return min(ends)


def narrowed(act: dict[str, Any], scopes: list[str], lasts: timedelta | None) -> dict[str, Any]:
    """Return the document with fewer scopes, and with a shorter life if ``lasts`` is given."""
    changed = {**act, "scopes": in_order(scopes)}
    if lasts is not None:
        changed["lasts"] = int(lasts.total_seconds())
    return changed
