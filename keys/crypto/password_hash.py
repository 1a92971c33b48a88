"""Hash passwords with the parameters that OWASP recommends, a few at a time."""

from __future__ import annotations

import ctypes
import hashlib
import threading
from contextlib import suppress
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE = 2
"""Hashes computed at the same time in one process. Others wait for their turn, so memory stays bounded."""

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_GIVEN_BACK = 1024 * 1024
"""Bytes. The process gives larger pieces of memory back when they are freed."""

_turns = threading.BoundedSemaphore(AT_ONCE)


def digest_of_hash(encoded: str) -> str:
    """Return the digest by which audit events name a stored hash: 32 hexadecimal digits, one-way.

    The stored hash has a random salt of 128 bits, so nobody can guess the password from the digest.
    """
    return hashlib.sha256(b"cerby-key-portal password\0" + encoded.encode()).hexdigest()[:32]


def give_memory_back() -> None:
    """Keep glibc from raising its limit above 19 MiB. Each thread would then keep the memory of a hash."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _GIVEN_BACK)


give_memory_back()


class Argon2idHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, 2 iterations and 1 lane (OWASP Password Storage Cheat Sheet).

    Django's own parameters need 100 MiB and 8 threads for each hash. Hashes with other parameters are
    replaced when the person signs in.
    """

    memory_cost = 19_456  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> Any:
        with _turns:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turns:
            return super().verify(password, encoded)
