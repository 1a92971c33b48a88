"""Check that a new password is hard to guess (settings.AUTH_PASSWORD_VALIDATORS)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

from keys.models import User

SHORTEST = 15
"""NIST SP 800-63B-4 asks for 15 characters if a password is the only factor."""
GUESSES = 10**10
"""How many guesses an attacker who knows common patterns must need at least (zxcvbn's highest score)."""
EXAMINED = 32
"""The characters that zxcvbn looks at. They are enough, and for 72 it can take seconds."""
SHORTEST_WORD = 4
PRODUCT = ("cerby", "keyportal")
TYPED_FOR_LETTERS = str.maketrans("@4310$57!", "aaeiossti")
PASSES = "Four or more words that have nothing to do with each other pass, and so do 15 random characters."
PATTERNS = {
    "repeat": "it repeats the same characters",
    "sequence": "it follows a sequence, such as 12345 or abcde",
    "spatial": "it follows the keys of the keyboard",
    "dictionary": "it is made of words and passwords that attackers try first",
    "date": "it contains a date",
}


class PasswordRule:
    """Refuse a password that is short, common, made of known patterns, or connected with the person.

    Each error names the one rule that was broken, and what would pass.
    """

    def __init__(self) -> None:
        self._common = CommonPasswordValidator()

    def validate(self, password: str, user: User | None = None) -> None:
        if len(password) < SHORTEST:
            raise _refusal(
                f"it has {len(password)} characters and needs at least {SHORTEST}", "password_too_short"
            )
        own = list(_own_words(user))
        for word in own:
            if word in _letters(password) or word in _letters(password.translate(TYPED_FOR_LETTERS)):
                raise _refusal(
                    f"it contains “{word}”, from your name or email, or the name of the workspace or product",
                    "password_contains_own_word",
                )
        try:
            self._common.validate(password)
        except ValidationError:
            raise _refusal("it is one of the most common passwords", "password_too_common") from None
        found = zxcvbn(password[:EXAMINED], user_inputs=own)
        if found["guesses"] < GUESSES:
            raise _refusal(f"it is easy to guess, because {_pattern(found)}", "password_too_guessable")

    def get_help_text(self) -> str:
        without = f"your name, “{settings.CERBY_WORKSPACE}” or “Cerby”"
        return f"At least {SHORTEST} characters, without {without}. {PASSES}"


def _refusal(reason: str, code: str) -> ValidationError:
    return ValidationError(f"Choose another password: {reason}. {PASSES}", code=code)


def _own_words(user: User | None) -> Iterator[str]:
    """Return the words that anybody can connect with ``user``, in lower case."""
    names = [settings.CERBY_WORKSPACE]
    if user is not None:
        local_part, _, domain = user.email.partition("@")
        names += [user.name, local_part, *domain.split(".")[:-1]]
    words = [word for name in names for word in [_letters(name), *re.split(r"[\W_]+", name.lower())]]
    yield from dict.fromkeys(word for word in [*PRODUCT, *words] if len(word) >= SHORTEST_WORD)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def _pattern(found: dict[str, Any]) -> str:
    """Return the pattern that explains the longest part of the password."""
    lengths: dict[str, int] = {}
    for match in found["sequence"]:
        if match["pattern"] in PATTERNS:
            lengths[match["pattern"]] = lengths.get(match["pattern"], 0) + len(match["token"])
    return PATTERNS[max(lengths, key=lambda pattern: lengths[pattern])] if lengths else "it is too simple"
