"""Identify the person behind a request, their address and browser, and how fresh their sign-in is."""

from __future__ import annotations

import time
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from keys.models import User
from keys.models.factor import APP, CODES, METHODS, PASSKEY, has_factor, kinds_of_factors
from keys.models.session import STARTED, hash_of
from keys.rules import formatting
from keys.rules.errors import SignInAgain
from keys.rules.permissions import Actor
from keys.selectors.sso.link import provider_tells_auth_time, sso_link_of

SESSION_MARK = "session_mark"


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person as an ``Actor``, created once per request."""
    actor: Actor | None = getattr(request, "_actor", None)
    if actor is None:
        user = cast("User", request.user)
        actor = user.as_actor(ip=ip_of(request), browser=browser_of(request))
        request._actor = actor  # type: ignore[attr-defined]  # noqa: SLF001 - a cache on the request
    return actor


def ip_of(request: HttpRequest) -> str:
    """Return the client's address behind PORTAL_PROXIES proxies, or "" if they do not send it."""
    try:
        return str(get_adapter(request).get_client_ip(request) or "")[:45]
    except PermissionDenied:
        return ""


def browser_of(request: HttpRequest) -> str:
    return formatting.browser(request.headers.get("User-Agent", ""))


def session_of(request: HttpRequest) -> str:
    """Return a hash that identifies the session but does not give access to it."""
    mark: str | None = request.session.get(SESSION_MARK)
    key = request.session.session_key or ""
    return mark or salted_hmac("keys.claim", key, algorithm="sha256").hexdigest()


def session_row(request: HttpRequest) -> str:
    """Return the key of the session's row."""
    return hash_of(request.session.session_key or "")


def keep_session_mark(request: HttpRequest) -> None:
    """Keep the value of ``session_of`` while the session gets a new id."""
    request.session[SESSION_MARK] = session_of(request)


def require_fresh_sign_in(request: HttpRequest, next_path: str, *, to_add_factor: bool = False) -> None:
    """Raise ``SignInAgain`` unless the person proved who they are within the last 5 minutes.

    PORTAL_STEP_UP says whether the sign-in provider, the portal, or either of them must have asked. If the
    portal asked a person with a second factor, they must have used it. A recovery code counts only if the
    person wants another factor or new codes (``to_add_factor``), so that they can replace a lost factor.
    A factor or a link with the provider that was removed since, perhaps in another session, proves nothing.
    """
    records = get_authentication_records(request, request.user)
    if settings.PORTAL_STEP_UP == "portal":
        records = [one for one in records if one["method"] != "sso"]
    elif must_use_provider(request):
        records = [one for one in records if one["method"] == "sso"]
    since = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    fresh = _still_valid(request, [one for one in records if one["at"] >= since])
    if fresh and has_factor(cast("User", request.user).pk):
        factors = {APP, PASSKEY, CODES} if to_add_factor else {APP, PASSKEY}
        fresh = [one for one in fresh if one["method"] == "sso" or one.get("type") in factors]
    if not fresh and not (to_add_factor and _may_add_first_factor(request)):
        raise SignInAgain(next_path)


def _still_valid(request: HttpRequest, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the ``records`` of ways to prove who one is that the person still has."""
    user_id, methods = cast("int", request.user.pk), {one["method"] for one in records}
    factors = kinds_of_factors(user_id) if "mfa" in methods else {}
    link = sso_link_of(user_id) if "sso" in methods else None
    held = {"mfa": set(factors), "sso": {link.pk} if link else set()}
    return [one for one in records if one["method"] not in held or one.get("id") in held[one["method"]]]


def _may_add_first_factor(request: HttpRequest) -> bool:
    """Return whether the person has nothing else to confirm with, and has just signed in with SSO.

    They have neither a password nor a factor, and their provider cannot ask them again.
    """
    user = cast("User", request.user)
    used = get_authentication_records(request, user)
    since = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    is_recent = request.session.get(STARTED, 0) >= since and any(one["method"] == "sso" for one in used)
    has_another_way = user.has_usable_password() or offers_provider(request) or has_factor(user.pk)
    return is_recent and not has_another_way


def must_use_provider(request: HttpRequest) -> bool:
    """Return whether only the sign-in provider can confirm the person's identity."""
    only = settings.PORTAL_STEP_UP == "idp"
    return only and sso_link_of(cast("int", request.user.pk)) is not None


def offers_provider(request: HttpRequest) -> bool:
    """Return whether the sign-in provider can confirm the person's identity."""
    if settings.PORTAL_STEP_UP == "portal" or not request.user.is_authenticated:
        return False
    return sso_link_of(request.user.pk) is not None and provider_tells_auth_time()


def sign_in_method(request: HttpRequest, user: User) -> str:
    """Return the ways in which ``user`` has just signed in, such as "password and app"."""
    used = get_authentication_records(request, user)
    names = [METHODS.get(record.get("type", ""), record["method"]) for record in used]
    return " and ".join(dict.fromkeys(names))
