"""Set and delete the session cookie only for people who sign in or out, and name the cookie of messages."""

from __future__ import annotations

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponseBase


class SessionMiddleware(DjangoSessionMiddleware):
    """Leave the browser's session cookie alone unless this request changed the session.

    Django deletes the cookie of any session that it does not know. When a session gets a new id, a request
    that was sent with the old id would delete the new cookie, and so sign the person out.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:  # type: ignore[override]
        if request.session.is_empty() and not request.session.modified:
            return response
        return super().process_response(request, response)  # type: ignore[arg-type]


class MessageCookie(CookieStorage):
    """Keep messages for the next page in a cookie of this host alone."""

    cookie_name = f"{settings.SESSION_COOKIE_NAME}-messages"


class MessageStorage(FallbackStorage):
    storage_classes = (MessageCookie, SessionStorage)
