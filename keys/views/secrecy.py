"""Headers for the pages that a secret passes through."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from csp.constants import NONE
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def secret_page(view: View) -> View:
    """Nothing keeps, compresses, embeds or refers to what this view answers; no script policy is allowed.

    ``no-transform`` also keeps proxies from compressing, whose lengths would tell (BREACH). Not
    ``no-referrer``: under it browsers send ``Origin: null`` with the Done form, which CSRF checks refuse.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "no-store, private, no-transform"
        response["Referrer-Policy"] = "same-origin"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    return csp_replace({"trusted-types": [NONE]})(answer)
