"""Answer a request that cannot be read, such as a form with too many fields."""

from __future__ import annotations

from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.defaults import bad_request as plain_answer

TITLE = "The portal could not read this request"
NOTHING = "Nothing was changed."


@never_cache
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say what is wrong (handler400). Django reads a form before the view, so nothing was changed."""
    if not hasattr(request, "user"):  # it is refused before anybody is read, for example for its host
        return plain_answer(request, exception)
    said = {"title": TITLE, "sentence": _sentence(exception)}
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse(said, status=HTTPStatus.BAD_REQUEST)
    context = {**said, "tone": "warning"}
    if getattr(request, "htmx", False):
        response = render(request, "error.html#message", context, status=HTTPStatus.BAD_REQUEST)
        response["HX-Retarget"], response["HX-Reswap"] = "#messages", "innerHTML"
        return response
    return render(request, "error.html", context, status=HTTPStatus.BAD_REQUEST)


def _sentence(exception: Exception) -> str:
    match exception:
        case TooManyFieldsSent() | TooManyFilesSent():
            return f"The form has more fields than the portal accepts. {NOTHING} Send fewer at once."
        case RequestDataTooBig():
            return f"The form is larger than the portal accepts. {NOTHING} Shorten it, or send several parts."
        case _:
            return f"It is incomplete, or a program changed it on its way. {NOTHING} Go back and try again."
