"""Answer an address that contains an API key without using the key, and take it out of the address."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from keys.rules.key_text import may_contain_a_key
from keys.rules.permissions import Action
from keys.views.htmx import HtmxHttpRequest, redirect_page
from keys.views.people import actor_of


@sensitive_variables()
def has_pasted_key(request: HtmxHttpRequest) -> bool:
    """Return whether a value in the query string may be an API key.

    ``static/pasted-key.js`` sends such text by POST instead, so this is so only without JavaScript. The
    addresses of the page after the sign-in and of the list to return to are not searched: a page with a key
    in its address leads nowhere.
    """
    given = ((name, value) for name, values in request.GET.lists() for value in values)
    said = (value for name, value in given if not (name in {"next", "back"} and value.startswith("/")))
    return any(may_contain_a_key(value) for value in said)


def refuse_pasted_key(request: HtmxHttpRequest) -> HttpResponse:
    """Redirect to **Is this ours?**, or to the API keys if the person may not use it, and say why.

    A person who is not signed in is led to the same page without the query string.
    """
    if not request.user.is_authenticated:
        return redirect_page(request, request.path)
    said = (
        "What you searched for looks like an API key, so the portal did not use it. "
        "Your browser may remember the address."
    )
    if actor_of(request).may(Action.FIND_KEY):
        messages.warning(request, f"{said} Paste the key here instead.")
        return redirect_page(request, reverse("keys:find"))
    messages.warning(request, f"{said} If you found the key somewhere, tell an admin.")
    return redirect_page(request, reverse("keys:inventory"))
