"""Return the second factors of a person, for their page Your account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator

from keys.models.factor import APP, CODES, FEW_CODES, PASSKEY, codes_left


@dataclass(frozen=True)
class Passkey:
    pk: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class Factors:
    """``codes_left`` is None if the person has no recovery codes."""

    passkeys: list[Passkey]
    app: Authenticator | None
    codes: Authenticator | None
    codes_left: int | None

    @property
    def exist(self) -> bool:
        return self.count > 0

    @property
    def are_passkeys_alone(self) -> bool:
        return self.exist and self.app is None

    @property
    def lack_codes(self) -> bool:
        """Return whether the person has a factor, and few recovery codes or none in case they lose it."""
        return self.exist and (self.codes_left or 0) <= FEW_CODES

    @property
    def in_words(self) -> str:
        """For example "2 passkeys, authenticator app"."""
        return words_for([PASSKEY] * len(self.passkeys) + ([APP] if self.app else []))

    @property
    def count(self) -> int:
        """How many factors there are, without the recovery codes."""
        return len(self.passkeys) + (self.app is not None)


def words_for(kinds: Sequence[str]) -> str:
    """Return the kinds of factors that a person has, in words."""
    passkeys = kinds.count(PASSKEY)
    words = [f"{passkeys} passkeys" if passkeys > 1 else "passkey"] if passkeys else []
    return ", ".join([*words, *(["authenticator app"] if APP in kinds else [])]) or "none"


def factors_of(user_id: int) -> Factors:
    rows = list(Authenticator.objects.filter(user_id=user_id).order_by("pk"))
    codes = next((row for row in rows if row.type == CODES), None)
    return Factors(
        passkeys=[
            Passkey(row.pk, row.data["name"], row.created_at, row.last_used_at)
            for row in rows
            if row.type == PASSKEY
        ],
        app=next((row for row in rows if row.type == APP), None),
        codes=codes,
        codes_left=codes_left(codes) if codes else None,
    )
