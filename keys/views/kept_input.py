"""Keep what a person sent with a form if they must sign in first, and let them send it again afterwards.

The page that asks for the password carries the input as a signed field. Nothing that may be a key is in
it. It is stored on the server only while the person is at the sign-in provider, encrypted with a key that
only their browser brings back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from allauth.account.forms import LoginForm, ReauthenticateForm
from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables

from keys.forms.factors import CodeForm
from keys.models import Selection, Session, User
from keys.models.session import hash_of
from keys.rules import key_text
from keys.selectors.factors.page import factors_of
from keys.selectors.people import whom_to_ask

FIELD = "kept"
SALT = "keys.kept-input"
KEPT_FOR = 60 * 60
"""Seconds after which the input cannot be sent again."""
LARGEST = 64 * 1024
"""Characters of all values. A longer input, such as a large import, is not kept."""
WITH_A_KEY = frozenset({"find", "paste", "store-claim", "store-save", "store-done"})
"""Names of URLs whose forms may have a key in them."""
SEEN_AGAIN = frozenset(
    {
        *("key-delete", "key-keep", "removal-confirm", "health-release"),
        *("channel-renew", "channel-disable", "channel-remove", "request-approve", "policy-approve"),
    }
)
"""Names of URLs whose forms have no input, and whose page a person should see again before they act."""
SECRET_FIELDS = frozenset(
    {"csrfmiddlewaretoken", "api_key", "tab_key", "password", "code", "credential", "box", "url", FIELD}
)
HASHES = frozenset({"digest", "seen"})
"""Hidden fields with the hash of what the person has seen. It looks like a key."""
_HASH = re.compile("[0-9a-f]{64}")
ENDED = "Your session has ended. Sign in to go on where you were."


@dataclass(frozen=True)
class Kept:
    """``fields`` are the names and values that were sent to ``path``. ``user_id``: who sent them.

    ``has_gaps``: files, or values that may be a key, were left out.
    """

    path: str
    fields: list[tuple[str, str]]
    user_id: int
    has_gaps: bool


@sensitive_variables()
def keep_input(request: HttpRequest, user_id: int) -> str:
    """Return the input of a POST as a signed text, or an empty string if it cannot be kept.

    ``user_id``: who sent it, or 0 if their session has expired. It is not kept for a person who is unknown,
    because another one may sign in with this browser.
    """
    match = request.resolver_match
    is_form = request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}
    user_id = user_id or _user_of_expired_session(request)
    if match is None or match.namespace != "keys" or not is_form or not user_id:
        return ""
    if match.url_name in WITH_A_KEY | SEEN_AGAIN or _deletes(request):
        return ""
    sent = [(name, value) for name, values in request.POST.lists() for value in values]
    kept = [(name, _without_key(name, value)) for name, value in sent if name not in SECRET_FIELDS]
    if sum(len(name) + len(value) for name, value in kept) > LARGEST:
        return ""
    secrets = {name for name, _ in sent} & SECRET_FIELDS - {"csrfmiddlewaretoken", "tab_key", FIELD}
    changed = any(value not in {old for _, old in sent} for _, value in kept)
    content = {
        "path": request.get_full_path(),
        "fields": kept,
        "user_id": user_id,
        "has_gaps": bool(secrets or changed or request.FILES),
    }
    return signing.dumps(content, salt=SALT, compress=True)


def _user_of_expired_session(request: HttpRequest) -> int:
    """Return the id of the person whose session has expired, or 0 if its row is gone."""
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    row = Session.objects.filter(pk=hash_of(cookie)).first()
    return (row.user_id if row else None) or 0


def _deletes(request: HttpRequest) -> bool:
    """Return whether this starts a bulk deletion, whose list a person should see again."""
    return request.POST.get("act") == Selection.Act.DELETE


def _without_key(name: str, value: str) -> str:
    if name in HASHES and _HASH.fullmatch(value):
        return value
    try:
        UUID(value)
    except ValueError:
        return key_text.without_keys(value)
    return value  # an id in a hidden field


def kept_in(text: str) -> Kept | None:
    """Return the input that the sign-in page sent back, or None if it is missing, old or not ours."""
    try:
        content: dict[str, Any] = signing.loads(text, salt=SALT, max_age=KEPT_FOR)
    except signing.BadSignature:
        return None
    fields = [(name, value) for name, value in content["fields"]]
    return Kept(content["path"], fields, content["user_id"], content["has_gaps"])


def sign_in_page(request: HttpRequest, next_path: str, kept: str) -> HttpResponse:
    """Show the sign-in page in response to a form that was sent after the session had ended."""
    messages.info(request, f"{ENDED} What you entered is kept.")
    return _page(request, "account/login.html", LoginForm(request=request), next_path, kept)


def confirm_page(request: HttpRequest, next_path: str, kept: str) -> HttpResponse:
    """Ask for the password, or the second factor, in response to a form that needs a fresh sign-in."""
    factors = factors_of(cast("User", request.user).pk)
    form = CodeForm() if factors.exist else ReauthenticateForm(user=request.user)
    return _page(request, "account/reauthenticate.html", form, next_path, kept, factors=factors)


def confirm_without_password(request: HttpRequest) -> HttpResponse:
    """Offer the other ways to confirm one's identity."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    return _page(request, "account/reauthenticate.html", None, wanted, request.POST.get(FIELD, ""))


def _page(
    request: HttpRequest, template: str, form: Any, next_path: str, kept: str, **more: Any
) -> HttpResponse:
    hidden = format_html('<input type="hidden" name="next" value="{}">', next_path)
    context = {
        "form": form,
        "code_form": form,
        "redirect_field": hidden,
        "kept": kept,
        "ask": whom_to_ask,
        **more,
    }
    response = render(request, template, context)
    response["Cache-Control"] = "no-store, private"
    return response


def resume(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Offer the kept input, instead of the redirect ``response``, if the same person has signed in."""
    if request.method != "POST":
        return response
    return resume_text(request, cast("HttpResponse", response), request.POST.get(FIELD, ""))


def resume_text(request: HttpRequest, response: HttpResponse, text: str) -> HttpResponse:
    """Do the same with ``text``, the input as ``keep_input`` returned it."""
    if "Location" not in response or not request.user.is_authenticated:
        return response
    kept = kept_in(text)
    if kept is None or kept.user_id != request.user.pk:
        return response
    page = render(request, "account/resume.html", {"kept": kept, "back": response["Location"]})
    page.cookies = response.cookies
    page["Cache-Control"] = "no-store, private"
    return page
