"""Supply the portal's own credentials, and notice when a file has a new one or Cerby refuses one."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from keys.models import CredentialRefusal

TOKEN, API_KEY = "CERBY_TOKEN", "CERBY_API_KEY"

logger = structlog.get_logger(__name__)

_Stamp = tuple[int, int, int]
_read: dict[Path, tuple[_Stamp, str]] = {}
_checked_at: dict[tuple[str, str], float] = {}
CHECK_EVERY = 60
"""Seconds after which a success may end the alert about a refusal that another process has seen."""


def checked(value: str | None, name: str) -> str:
    """Return the credential or "". Raises ValueError, without the value, if a header cannot contain it."""
    if value and not (value.isascii() and value.isprintable() and " " not in value):
        message = f"{name} contains a character that no credential can have, such as a space or line break."
        raise ValueError(message)
    return value or ""


def current(name: str) -> str:
    """Return the credential ``name``, read again if its file has changed since.

    If the file is gone, empty or unusable, the last good value counts.
    """
    value: str = getattr(settings, name)
    path: Path | None = getattr(settings, f"{name}_FILE")
    if path is None:
        return value
    _, known = _read.get(path, ((0, 0, 0), value))
    try:
        stamp = _stamp(path)
        if path in _read and _read[path][0] == stamp:
            return known
        found = checked(path.read_text("utf-8-sig").strip(), name) or known
    except (OSError, ValueError):
        logger.warning("credential_not_read", attribute=name)
        return known
    if path in _read and found != known:
        logger.info("credential_renewed", attribute=name)
    _read[path] = stamp, found
    return found


def changed_at(name: str) -> float:
    """Return when the file of the credential was changed, in seconds since 1970, or 0 if it has none.

    A file that was written earlier and then moved to this place counts from the move.
    """
    path: Path | None = getattr(settings, f"{name}_FILE")
    if path is not None:
        with suppress(OSError):
            found = path.stat()
            return max(found.st_mtime, found.st_ctime)
    return 0


def note_answer(name: str, doing: str, status: int) -> None:
    """Store that Cerby refused the credential ``name`` with 401, or that it accepts it again."""
    if status == HTTPStatus.UNAUTHORIZED:
        _checked_at[name, doing] = -math.inf
        _store(name, doing)
    elif status < HTTPStatus.BAD_REQUEST and _is_due((name, doing)):
        with suppress(DatabaseError):
            CredentialRefusal.objects.filter(credential=name, doing=doing).delete()


def _is_due(call: tuple[str, str]) -> bool:
    """Return whether to look for a refusal of ``call``: at once after one here, else once a minute."""
    now = time.monotonic()
    if now - _checked_at.setdefault(call, now) < CHECK_EVERY:
        return False
    _checked_at[call] = now
    return True


def _store(name: str, doing: str) -> None:
    logger.error("credential_refused", attribute=name, call=doing)
    facts = {"doing": doing[:100], "refused_at": timezone.now()}
    try:
        with transaction.atomic():
            CredentialRefusal.objects.update_or_create(credential=name, defaults=facts)
    except DatabaseError:  # the call's own error matters more
        logger.warning("refusal_not_stored", attribute=name)


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
