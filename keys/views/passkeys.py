"""Ask browsers for passkeys (WebAuthn), and verify the answers with allauth.mfa and python-fido2.

The challenge is in a signed cookie, so that visitors need no session, and is used once. User verification
is required. Beside what fido2 verifies, the answer must come from a page of PORTAL_URL.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from fido2.webauthn import ResidentKeyRequirement, UserVerificationRequirement

from keys.actions.people import throttle
from keys.models import User

LASTS = 5 * 60
"""Seconds after which a challenge is no longer accepted."""
SALT = "keys.passkey-challenge"
REFUSED = (ValidationError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What fido2 and the parsers raise for a damaged answer."""


def creation_answer(user: User) -> HttpResponse:
    """Return the options for ``navigator.credentials.create``, for a passkey that can sign ``user`` in."""
    options, state = auth.get_server().register_begin(
        user=auth.build_user_payload(user),
        credentials=auth.get_credentials(user),
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        extensions=auth.EXTENSIONS,
    )
    return _asked(dict(options), state, user)


def request_answer(user: User | None) -> HttpResponse:
    """Return the options for ``navigator.credentials.get``. ``user`` is None if nobody is known yet."""
    options, state = auth.get_server().authenticate_begin(
        credentials=auth.get_credentials(user) if user else [],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _asked(dict(options), state, user)


def is_new_passkey(request: HttpRequest, credential: Any, user: User) -> bool:
    """Return whether ``credential`` answers the challenge of ``creation_answer``."""
    state = _state(request, credential, user)
    try:
        return bool(state and auth.get_server().register_complete(state, credential).is_user_verified())
    except REFUSED:
        return False


def passkey_of(request: HttpRequest, credential: Any, user: User | None) -> Authenticator | None:
    """Return the passkey whose answer ``credential`` is, or None if it is not accepted.

    ``user``: whose it must be. If it is None, the passkey says whose it is.
    """
    state = _state(request, credential, user)
    try:
        if state is None:
            return None
        user = user or auth.extract_user_from_response(credential)
        found = auth.get_server().authenticate_complete(state, auth.get_credentials(user), credential)
        passkey: Authenticator | None = auth.get_authenticator_by_credential_id(user, found.credential_id)
    except REFUSED:
        return None
    return passkey


def cookie_of_challenge() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-passkey"


def _asked(options: dict[str, Any], state: dict[str, Any], user: User | None) -> HttpResponse:
    response = JsonResponse(options)
    response.set_cookie(
        cookie_of_challenge(),
        signing.dumps([user.pk if user else 0, state], salt=SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
    return response


def _state(request: HttpRequest, credential: Any, user: User | None) -> dict[str, Any] | None:
    """Return the state of the challenge that ``user`` was given, the first time that it is answered."""
    sent = request.COOKIES.get(cookie_of_challenge(), "")
    try:
        user_id, state = signing.loads(sent, salt=SALT, max_age=LASTS)
    except signing.BadSignature:
        return None
    if user_id != (user.pk if user else 0) or not _is_ours(credential):
        return None
    return state if throttle.is_first_answer(state["challenge"], LASTS) else None


def _is_ours(credential: Any) -> bool:
    """Return whether the browser made ``credential`` on a page of the portal, and not of a subdomain."""
    try:
        text = credential["response"]["clientDataJSON"]
        said = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        origin = urlsplit(said["origin"])
    except REFUSED:
        return False
    url = urlsplit(settings.PORTAL_URL)
    return (origin.scheme, origin.netloc) == (url.scheme, url.netloc) and not said.get("crossOrigin")
