"""Handle cross-cutting concerns of requests: outages, HTMX, pasted keys, time zone, errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from itertools import chain
from typing import cast
from urllib.parse import urlsplit

import structlog
from allauth.account.internal.stagekit import LOGIN_SESSION_KEY
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.base import BaseStorage, Message
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import Error, connection
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from keys.audit.chain import join_if_new
from keys.models import User
from keys.rules.errors import NotAllowed, OnlyForForms, PortalError, ShownOnce, SignInAgain
from keys.rules.time_zones import known_zone
from keys.rules.visible import visible_page
from keys.selectors.people import owns_keys, whom_to_ask
from keys.views.htmx import HtmxHttpRequest, redirect_page, split_address
from keys.views.kept_input import ENDED, confirm_page, keep_input, sign_in_page
from keys.views.pasted_key import has_pasted_key, refuse_pasted_key
from portal import outage

GetResponse = Callable[[HttpRequest], HttpResponseBase]
logger = structlog.get_logger(__name__)

PROBES = frozenset({"/livez", "/readyz"})
"""These report the state of the database themselves."""


class DatabaseAwayMiddleware:
    """Answer 503 at once if the database is unavailable.

    Later middleware would each wait for the connection again. An outage during the request leads to
    ``portal.outage.handler500``.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in PROBES:
            request.COOKIES.clear()  # probes need no session, and sessions are in the database
            return self.get_response(request)
        try:
            connection.ensure_connection()
        except Error:
            return outage.answer(request, began=False)
        response = self.get_response(request)
        if isinstance(response, StreamingHttpResponse):
            return self._begun(request, response)
        return response

    def _begun(self, request: HttpRequest, response: StreamingHttpResponse) -> HttpResponseBase:
        """Read the first part of a download before its status is sent.

        An outage after it cuts the connection, so that the browser reports an incomplete download.
        """
        parts = iter(response)
        try:
            first = next(parts, b"")
        except Error as error:
            if not outage.is_outage(error):
                raise
            response.close()
            return outage.answer(request, began=True)
        response.streaming_content = chain([first], parts)
        return response


class JoinMiddleware:
    """Get the audit log's MAC chain from another node if this node is new: each request takes a step."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with suppress(Error, OSError):  # the view reports it
            join_if_new()
        return self.get_response(request)


class ResponseHeadersMiddleware:
    """Set Vary and Cache-Control. Turn redirects to the sign-in page into full-page redirects under HTMX."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HtmxHttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "Cache-Control" in response:
            return response  # perhaps the database is away, and the person cannot be read
        if request.user.is_authenticated and "Cache-Control" not in response:
            add_never_cache_headers(response)
        goes_back = request.path == reverse("mfa_authenticate")  # from the second step of a sign-in
        if _is_redirect_to_login(response) and not goes_back:
            return _sign_in_first(request, response)
        return response


def _sign_in_first(request: HtmxHttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Lead to the sign-in page. If the session has ended, say so, and keep the input of a form."""
    is_between_steps = LOGIN_SESSION_KEY in request.session
    has_ended = settings.SESSION_COOKIE_NAME in request.COOKIES and not is_between_steps
    if request.htmx:
        response = HttpResponseClientRedirect(_login_url(_page_of(request)))
    elif request.method == "POST":
        kept = (
            keep_input(request, getattr(request, "ended_user_id", 0))
            if has_ended and _is_ours(request)
            else ""
        )
        if kept:
            return sign_in_page(request, _page_of(request), kept)
        response = HttpResponseRedirect(_login_url(_page_of(request)))
    if has_ended:
        _say_once(request, ENDED, response)
    return response


def _say_once(request: HttpRequest, sentence: str, response: HttpResponseBase) -> None:
    """Add a message unless it waits already. Too many would not fit into their cookie and start a session."""
    stored = cast("BaseStorage", messages.get_messages(request))
    if Message(messages.INFO, sentence) not in stored:
        messages.info(request, sentence)
        stored.update(response)  # the middleware of messages has already stored the others


def _is_ours(request: HttpRequest) -> bool:
    """Return whether a page of the portal sent this form. The redirect came before the usual check."""
    csrf = CsrfViewMiddleware(lambda _: HttpResponse())
    return csrf.process_view(request, lambda _: HttpResponse(), (), {}) is None


def _is_redirect_to_login(response: HttpResponseBase) -> bool:
    is_redirect = response.status_code == HTTPStatus.FOUND
    return is_redirect and urlsplit(response.headers["Location"]).path == resolve_url(settings.LOGIN_URL)


def _login_url(next_path: str) -> str:
    return reverse(settings.LOGIN_URL, query={"next": next_path})


def _page_of(request: HtmxHttpRequest) -> str:
    """Return the path of the page from which a fragment was requested or a form was sent.

    The URL of the request itself may not be a page. If it is that of the page with another query string, such
    as another filter, return it.
    """
    current = _address_of_htmx(request)
    if current and request.method == "GET" and split_address(current).path == request.path:
        return request.get_full_path()
    referrer = split_address(request.headers.get("Referer", ""))
    if not current and referrer.netloc == request.get_host():
        current = referrer._replace(scheme="", netloc="").geturl()
    return current or resolve_url(settings.LOGIN_REDIRECT_URL)


def _address_of_htmx(request: HtmxHttpRequest) -> str | None:
    try:
        address: str | None = request.htmx.current_url_abs_path
    except ValueError:  # django-htmx does not expect a damaged header
        return None
    return address


SSO_CALLBACK = "/accounts/sso/callback/"


class PastedKeyMiddleware:
    """Answer an address with an API key in it without using the key, whichever page or field it was for."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HtmxHttpRequest) -> HttpResponseBase:
        if request.path_info == SSO_CALLBACK:  # a code may look like a key
            return self.get_response(request)
        if request.method in {"GET", "HEAD"} and has_pasted_key(request):
            return refuse_pasted_key(request)
        return self.get_response(request)


class VisibleTextMiddleware:
    """Write the invisible characters of names and other texts from Cerby as code points on every page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponse) and response.get("Content-Type", "").startswith("text/html"):
            response.content = visible_page(response.content)
        return response


class ReaderTimeZoneMiddleware:
    """Show times in the time zone that the reader chose on Your account, or in that of their browser.

    The browser reports its own in a cookie. Without both, it is that of the organisation.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        chosen = request.user.time_zone if isinstance(request.user, User) else ""
        names = chosen, request.COOKIES.get(settings.TIME_ZONE_COOKIE_NAME, "")
        zone = next(filter(None, map(known_zone, names)), timezone.get_default_timezone())
        with timezone.override(zone):
            return self.get_response(request)


class DomainErrorMiddleware:
    """Turn the errors of keys.rules.errors into a page, a fragment or JSON, depending on the request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HtmxHttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_opened = request.method == "GET" and request.user.is_authenticated
        if is_opened and isinstance(response, HttpResponseNotAllowed):
            page = self._explain(request, OnlyForForms("Only a form of the portal may use this address."))
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(self, request: HtmxHttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, SignInAgain):
            return self._ask_to_sign_in_again(request, error)
        if isinstance(error, PortalError):
            return self._explain(request, error)
        if isinstance(error, SessionInterrupted):
            return redirect_page(request, _login_url(_page_of(request)))
        return None

    def _ask_to_sign_in_again(self, request: HtmxHttpRequest, error: SignInAgain) -> HttpResponse:
        url = reverse("account_reauthenticate", query={"next": error.next_path})
        if _wants_json(request):
            return JsonResponse({"reauthenticate": url}, status=error.status)
        is_form = request.method == "POST" and not request.htmx
        kept = keep_input(request, cast("int", request.user.pk)) if is_form else ""
        if kept:
            return confirm_page(request, error.next_path, kept)
        return redirect_page(request, url)

    def _explain(self, request: HtmxHttpRequest, error: PortalError) -> HttpResponse:
        logger.info("explained", error=type(error).__name__, status=int(error.status))
        said = {"title": error.title, "sentence": error.sentence}
        if _wants_json(request):
            return JsonResponse(said, status=error.status)
        server_error = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        context: dict[str, object] = {**said, "tone": "danger" if server_error else "warning"}
        context["is_about_codes"] = isinstance(error, ShownOnce)
        if isinstance(error, NotAllowed):
            own_keys = request.user.pk is not None and owns_keys(request.user.pk)
            context |= {"allowed": error.allowed, "ask": whom_to_ask(), "own_keys": own_keys}
        if request.htmx:
            response = render(request, "error.html#message", context, status=error.status)
            response["HX-Retarget"] = "#messages"
            response["HX-Reswap"] = "innerHTML"
            return response
        return render(request, "error.html", context, status=error.status)


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"
