"""Check that a new password is hard to guess (settings.AUTH_PASSWORD_VALIDATORS)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

from keys.models import User

SHORTEST = 15
"""NIST SP 800-63B-4 asks for 15 characters if a password is the only factor."""
GUESSES = 10**11
"""How many guesses an attacker who knows common patterns must need at least."""
EXAMINED = 32
"""The characters that zxcvbn looks at. They are enough, and for 72 it can take seconds."""
SHORTEST_WORD = 4
LONGEST = 200
"""Letters that are compared with famous phrases."""
PRODUCT = ("cerby", "keyportal")
TYPED_FOR_LETTERS = str.maketrans("@4310$57!", "aaeiossti")
WITHOUT_SHIFT = str.maketrans('!@#$%^&*()_+{}:"|<>?~', "1234567890-=[];'\\,./`")
"""The keys of a US keyboard on which these characters are typed."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(rf"(?<=\d)({'|'.join(MONTHS)})(?:uary|ruary|ch|il|e|y|ust|t?ember|ober)?(?=\d)")
FILLERS = 75
"""So many of the most frequent words of a language add nothing to a phrase, such as "the" and "you"."""
FAMOUS = (
    "correcthorsebatterystaple",
    "thequickbrownfoxjumpsoverthelazydog",
    "packmyboxwithfivedozenliquorjugs",
    "loremipsumdolorsitametconsecteturadipiscingelit",
    "tobeornottobethatisthequestion",
    "maytheforcebewithyoualways",
    "itwasthebestoftimesitwastheworstoftimes",
    "weholdthesetruthstobeselfevident",
    "alongtimeagoinagalaxyfarfaraway",
    "rosesareredvioletsarebluesugarissweetandsoareyou",
    "twinkletwinklelittlestarhowiwonderwhatyouare",
    "allyourbasearebelongtous",
    "thisisanexampleofaverystrongpassphrase",
    "iloveyouforeverandeverandalways",
    "iloveyoutothemoonandback",
    "onceuponatimeinalandfarfaraway",
    "andtheylivedhappilyeverafter",
    "ourfatherwhoartinheavenhallowedbethyname",
    "thankyouverymuchhaveaniceday",
)
"""Phrases that are known as passwords, although each of their words alone is not that common."""
FAMOUS_PART = 12
"""So many letters of a famous phrase in a row are a part of it."""
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
        if _is_famous(_letters(password)):
            raise _refusal("it is a famous phrase, or a part of one", "password_too_common")
        found = min((zxcvbn(way, user_inputs=own) for way in _ways(password)), key=lambda one: one["guesses"])
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


def _is_famous(letters: str) -> bool:
    """Return whether ``letters`` has a part of a famous phrase, and little else."""
    for phrase in FAMOUS:
        part = SequenceMatcher(None, letters[:LONGEST], phrase, autojunk=False).find_longest_match()
        if part.size >= FAMOUS_PART and len(letters) - part.size < SHORTEST - FAMOUS_PART:
            return True
    return False


def _ways(password: str) -> Iterator[str]:
    """Yield ``password``, and the words and numbers that people who vary them in the usual ways begin with.

    Zxcvbn takes a space or a hyphen for any character, so that "what is your name" would be hard to guess.
    """
    yield password[:EXAMINED]
    yield password.translate(WITHOUT_SHIFT).lower()[:EXAMINED]
    letters = _letters(password)[:EXAMINED]
    if len(letters) * 3 < len(password[:EXAMINED]) * 2:
        return  # these are random characters, not words with separators
    joined = _MONTH.sub(lambda month: f"{MONTHS.index(month[1]) + 1:02}", letters)
    matches = zxcvbn(joined)["sequence"] if joined else []
    unknown = sum(len(match["token"]) for match in matches if match["pattern"] == "bruteforce")
    if unknown * 2 <= len(joined):
        yield joined
        yield "".join(dict.fromkeys(match["token"] for match in matches if not _is_filler(match)))


def _is_filler(match: dict[str, Any]) -> bool:
    is_word = match.get("dictionary_name") in {"english_wikipedia", "us_tv_and_film"}
    return is_word and match["rank"] <= FILLERS


def _pattern(found: dict[str, Any]) -> str:
    """Return the pattern that explains the longest part of the password."""
    lengths: dict[str, int] = {}
    for match in found["sequence"]:
        if match["pattern"] in PATTERNS:
            lengths[match["pattern"]] = lengths.get(match["pattern"], 0) + len(match["token"])
    return PATTERNS[max(lengths, key=lambda pattern: lengths[pattern])] if lengths else "it is too simple"
