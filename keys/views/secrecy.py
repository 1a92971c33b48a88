"""Response headers for pages that handle a secret."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from csp.constants import NONE
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def secret_page(view: View) -> View:
    """Keep the response out of caches and other sites, and forbid Trusted Types policies.

    ``no-transform`` keeps proxies from compressing the response, because the compressed length can leak
    the secret (BREACH). The referrer policy is not ``no-referrer``: browsers would then send
    ``Origin: null`` with the Done form, and the CSRF check would refuse it.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = "no-store, private, no-transform"
        response["Referrer-Policy"] = "same-origin"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    return csp_replace({"trusted-types": [NONE]})(answer)
