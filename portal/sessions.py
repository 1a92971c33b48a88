"""End sessions in time, set their cookie only if they change, and name the cookie of messages."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponseBase

from keys.models.session import ADDRESS, BROWSER, HANDLE, SEEN, STARTED
from keys.rules.key_text import without_keys
from keys.views.people import browser_of, ip_of

SEEN_RESOLUTION = 60
"""Seconds between two saves of a session in use: the precision of idle time. Most requests save nothing."""


class SessionMiddleware(DjangoSessionMiddleware):
    """Leave the browser's session cookie alone unless this request changed the session.

    Django deletes the cookie of any session that it does not know. When a session gets a new id, a request
    that was sent with the old id would delete the new cookie, and so sign the person out.

    If somebody ended the session during the request, its response is still sent. The next request leads to
    the sign-in page.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:  # type: ignore[override]
        if request.session.is_empty() and not request.session.modified:
            return response
        try:
            return super().process_response(request, response)  # type: ignore[arg-type]
        except SessionInterrupted:
            return response


class SessionLifetimeMiddleware:
    """End sessions 30 minutes after their last use and 8 hours after sign-in (see the settings).

    The session of a person who was disabled, removed or deleted ends too: it does not come back with them.
    Each session knows its browser and its latest address, for the list on Your account.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        user_id = request.session.get(SESSION_KEY)  # the next line may flush it
        if request.user.is_authenticated:
            self._end_or_extend(request)
        elif user_id is not None:
            request.ended_user_id = int(user_id)  # type: ignore[attr-defined]
            request.session.flush()
        response = self.get_response(request)
        if request.user.is_authenticated and STARTED not in request.session:
            self._describe(request, int(time.time()))  # they have just signed in
        return response

    def _end_or_extend(self, request: HttpRequest) -> None:
        now = int(time.time())
        if now - request.session.get(STARTED, now) > settings.SESSION_MAX_AGE:
            request.ended_user_id = request.user.pk  # type: ignore[attr-defined]
            logout(request)
        elif now - request.session.get(SEEN, 0) > SEEN_RESOLUTION or HANDLE not in request.session:
            self._describe(request, now)

    def _describe(self, request: HttpRequest, now: int) -> None:
        session = request.session
        session.setdefault(HANDLE, str(uuid.uuid4()))
        session.setdefault(STARTED, now)
        browser = without_keys(browser_of(request))  # it may be any text
        session.update({SEEN: now, ADDRESS: ip_of(request), BROWSER: browser})


class MessageCookie(CookieStorage):
    """Keep messages for the next page in a cookie of this host alone."""

    cookie_name = f"{settings.SESSION_COOKIE_NAME}-messages"


class MessageStorage(FallbackStorage):
    storage_classes = (MessageCookie, SessionStorage)
