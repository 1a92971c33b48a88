"""Lead back to the list from which a person opened a key, with its filter and page."""

from __future__ import annotations

from urllib.parse import parse_qsl

from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from keys.rules.key_text import may_contain_a_key
from keys.views.htmx import split_address

LISTS = frozenset(
    {"keys:inventory", "keys:mine", "keys:past", "keys:dashboard", "keys:person", "keys:health"}
)
LONGEST = 2000


def list_behind(request: HttpRequest) -> str:
    """Return the path and query of the list that the person comes from, or an empty string.

    Links and forms name it as ``back``. Otherwise it is the page with the link that the person followed.
    """
    given = request.POST.get("back") or request.GET.get("back")
    if given is not None:
        return given if _is_list(given) else ""
    if request.method not in {"GET", "HEAD"}:
        return ""
    before = split_address(request.headers.get("Referer", ""))
    address = before._replace(scheme="", netloc="").geturl()
    return address if before.netloc == request.get_host() and _is_list(address) else ""


def with_back(name: str, key_id: object, back: str) -> str:
    """Return the address of the page ``name`` of a key, which then leads to ``back``."""
    return reverse(name, args=[key_id], query={"back": back} if back else None)


def _is_list(address: str) -> bool:
    if len(address) > LONGEST or not url_has_allowed_host_and_scheme(address, allowed_hosts=None):
        return False
    parts = split_address(address)
    if any(may_contain_a_key(value) for _, value in parse_qsl(parts.query)):
        return False
    try:
        return resolve(parts.path).view_name in LISTS
    except Resolver404:
        return False
