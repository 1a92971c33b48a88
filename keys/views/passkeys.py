"""Ask browsers for passkeys (WebAuthn), and verify the answers with allauth.mfa and python-fido2.

The challenge is in a signed cookie, so that visitors need no session. It is good for one purpose, in the
session that asked for it, and is used once. User verification is required. Beside what fido2 verifies, the
answer must come from a page of PORTAL_URL.
"""

from __future__ import annotations

import enum
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
from fido2.webauthn import RegistrationResponse, ResidentKeyRequirement, UserVerificationRequirement

from keys.actions.people import throttle
from keys.models import User
from keys.views.people import session_of

LASTS = 5 * 60
"""Seconds after which a challenge is no longer accepted."""
SALT = "keys.passkey-challenge"
REFUSED = (ValidationError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What fido2 and the parsers raise for a damaged answer."""


class Purpose(enum.StrEnum):
    """The purpose of a challenge. ``SIGN_IN``: a passkey alone; ``SECOND_STEP``: after the password."""

    SIGN_IN = "sign-in"
    SECOND_STEP = "second-step"
    STEP_UP = "step-up"
    ADD = "add"


def creation_answer(request: HttpRequest, user: User) -> HttpResponse:
    """Return the options for ``navigator.credentials.create``, for a passkey that can sign ``user`` in."""
    options, state = auth.get_server().register_begin(
        user=auth.build_user_payload(user),
        credentials=auth.get_credentials(user),
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        extensions=auth.EXTENSIONS,
    )
    return _asked(request, dict(options), state, Purpose.ADD, user)


def request_answer(request: HttpRequest, purpose: Purpose, user: User | None) -> HttpResponse:
    """Return the options for ``navigator.credentials.get``. ``user`` is None if nobody is known yet."""
    options, state = auth.get_server().authenticate_begin(
        credentials=auth.get_credentials(user) if user else [],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _asked(request, dict(options), state, purpose, user)


def is_new_passkey(request: HttpRequest, credential: Any, user: User) -> bool:
    """Return whether ``credential`` answers the challenge of ``creation_answer``."""
    state = _state(request, credential, Purpose.ADD, user)
    try:
        return bool(state and auth.get_server().register_complete(state, credential).is_user_verified())
    except REFUSED:
        return False


def own_passkey(credential: Any, user: User) -> Authenticator | None:
    """Return the passkey if ``user`` has it, for example because they sent the form twice, or None."""
    try:
        answer = RegistrationResponse.from_dict(credential)
        passkey: Authenticator | None = auth.get_authenticator_by_credential_id(user, answer.raw_id)
    except REFUSED:
        return None
    return passkey


def passkey_of(
    request: HttpRequest, credential: Any, purpose: Purpose, user: User | None
) -> Authenticator | None:
    """Return the passkey whose answer ``credential`` is, or None if it is not accepted.

    ``user``: whose it must be. If it is None, the passkey says whose it is.
    """
    state = _state(request, credential, purpose, user)
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


def _asked(
    request: HttpRequest, options: dict[str, Any], state: dict[str, Any], purpose: Purpose, user: User | None
) -> HttpResponse:
    response = JsonResponse(options)
    response.set_cookie(
        cookie_of_challenge(),
        signing.dumps([*_bound_to(request, purpose, user), state], salt=SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
    return response


def _bound_to(request: HttpRequest, purpose: Purpose, user: User | None) -> list[str | int]:
    return [purpose.value, session_of(request), user.pk if user else 0]


def _state(
    request: HttpRequest, credential: Any, purpose: Purpose, user: User | None
) -> dict[str, Any] | None:
    """Return the state of the challenge that this session got for ``purpose``, at its first answer."""
    sent = request.COOKIES.get(cookie_of_challenge(), "")
    try:
        *bound_to, state = signing.loads(sent, salt=SALT, max_age=LASTS)
    except signing.BadSignature:
        return None
    if bound_to != _bound_to(request, purpose, user) or not _is_ours(credential):
        return None
    return state if throttle.is_first_use(state["challenge"], LASTS) else None


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
