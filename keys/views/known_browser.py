"""Remember in a cookie who has signed in with this browser, so that strangers' guesses do not lock them out.

The cookie proves no identity: it only selects which budget of wrong passwords applies
(keys.actions.people.throttle).
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from keys.models import User

LASTS = timedelta(days=180)
PEOPLE = 5
"""How many people of one browser are remembered: those who signed in last."""
SALT = "keys.known-browser"


def known_browser(request: HttpRequest, email: str) -> str:
    """Return the random id of this browser for ``email``, or "" if that person never signed in with it."""
    return _read(request).get(_hash(email), "")


def remember_browser(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """Give the browser a new id for ``user``, and keep those of other people."""
    others = {who: known for who, known in _read(request).items() if who != _hash(user.email)}
    newest = dict(list(others.items())[-(PEOPLE - 1) :]) | {_hash(user.email): secrets.token_urlsafe(12)}
    response.set_cookie(
        cookie_name(),
        signing.dumps(newest, salt=SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def cookie_name() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-browser"


def _read(request: HttpRequest) -> dict[str, str]:
    try:
        people: dict[str, str] = signing.loads(
            request.COOKIES.get(cookie_name(), ""), salt=SALT, max_age=LASTS
        )
    except signing.BadSignature:
        return {}
    return people


def _hash(email: str) -> str:
    return salted_hmac(SALT, email.strip().lower(), algorithm="sha256").hexdigest()[:16]
