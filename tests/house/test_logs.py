"""Logs contain only allowed fields, and never the text of an exception."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from io import StringIO

import pytest
import structlog

from keys.views import dashboard
from portal import logs
from tests.cast import signed_in

SECRET = "sbx_CANARY_plain_text"


@pytest.fixture
def printed():
    """Return a function that returns the lines that the portal has logged since."""
    described = dict(logs.LOGGING["formatters"]["json"])
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(described.pop("()")(**described))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(before)


def test_a_request_is_one_line_with_allowed_fields_only(cast, printed):
    browser = signed_in(cast.admin)
    browser.get(f"/keys/?q={SECRET}&status=active", headers={"X-Secret": SECRET})
    (line,) = [line for line in printed() if line["event"] == "request"]
    assert line.keys() == {
        "timestamp",
        "level",
        "logger",
        "event",
        "request_id",
        "method",
        "route",
        "status",
        "milliseconds",
        "user_id",
    }
    assert (line["method"], line["route"], line["status"]) == ("GET", "keys:inventory", 200)
    assert line["user_id"] == cast.admin.pk
    assert uuid.UUID(hex=line["request_id"])


def test_user_input_in_an_address_is_not_logged(cast, printed):
    browser = signed_in(cast.admin)
    for address in (f"/{SECRET}/", f"/keys/{SECRET}/", f"/accounts/password/reset/key/1-{SECRET}/"):
        browser.get(address)
    browser.post("/accounts/login/", {"login": SECRET, "password": SECRET})
    assert printed()
    assert SECRET not in json.dumps(printed())


def test_a_field_that_is_not_allowed_is_dropped(printed):
    structlog.get_logger("portal.test").warning("something", key_id="k", secret=SECRET, **{SECRET: 1})
    (line,) = printed()
    assert line.keys() <= logs.FIELDS
    assert (line["event"], line["key_id"], line["level"]) == ("something", "k", "warning")
    assert SECRET not in json.dumps(line)


def fail() -> None:
    key = SECRET
    raise ValueError(f"cannot use {key}")


LIBRARY, OWN = logging.getLogger("some.library"), structlog.get_logger("portal.test")
WAYS: dict[str, Callable[[Exception], object]] = {
    "library, exception": lambda error: LIBRARY.exception("It failed"),
    "library, exc_info": lambda error: LIBRARY.error("It failed", exc_info=True),
    "library, exc_info given": lambda error: LIBRARY.error("It failed", exc_info=error),
    "library, as an argument": lambda error: LIBRARY.error("It failed: %s", error),
    "library, as the message": LIBRARY.error,
    "library, with the stack": lambda error: LIBRARY.error("It failed", stack_info=True),
    "library, extra": lambda error: LIBRARY.error("It failed", extra={"secret": SECRET}),
    "own, exception": lambda error: OWN.exception("it_failed"),
    "own, exc_info": lambda error: OWN.error("it_failed", exc_info=error),
    "own, as a field": lambda error: OWN.error("it_failed", error_text=str(error)),
    "own, as the error": lambda error: OWN.error("it_failed", error=str(error)),
}


RENDERED = {
    "ours": ("keys.test", ("could not %s: %s (%d)", "list the vaults", "no connection", 3)),
    "ours, with an error": ("keys.test", ("it failed: %s", ValueError(SECRET))),
    "ours, by name": ("portal.test", ("%(what)s failed", {"what": "mail"})),
    "a library's numbers": ("gunicorn.error", ("Worker (pid:%s) exited with code %d", 17, 3)),
    "a library's error": ("some.library", ("It failed: %r", ValueError(SECRET))),
    "a library's text": ("django.request", ("Not Found: %s", f"/{SECRET}/")),
    "no values": ("some.library", ("100 % done",)),
}


@pytest.mark.parametrize(
    ("case", "event"),
    list(
        zip(
            RENDERED,
            [
                "could not list the vaults: no connection (3)",
                "it failed: ValueError",
                "mail failed",
                "Worker (pid:17) exited with code 3",
                "It failed: 'ValueError'",
                "Not Found: …",
                "100 % done",
            ],
            strict=True,
        )
    ),
)
def test_the_values_of_a_message_are_logged_unless_they_may_be_secret(printed, case, event):
    name, (message, *values) = RENDERED[case]
    logging.getLogger(name).warning(message, *values)
    (line,) = printed()
    assert line["event"] == event
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize("way", WAYS)
def test_the_text_of_an_exception_is_never_logged(printed, way):
    try:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError(f"because of {SECRET}") from error
    except RuntimeError as error:
        WAYS[way](error)
    (line,) = printed()
    assert SECRET not in json.dumps(line)
    assert line.keys() <= logs.FIELDS
    assert line["error"].startswith(f"RuntimeError at {__file__}:")


def test_an_error_page_reveals_no_details(cast, printed, monkeypatch):
    def break_down(*_: object) -> None:
        fail()

    monkeypatch.setattr(dashboard, "dashboard_page", break_down)
    browser = signed_in(cast.admin)
    browser.raise_request_exception = False

    response = browser.get("/")

    page = response.content.decode()
    assert response.status_code == 500
    assert "Something went wrong" in page
    for trace in (SECRET, "Traceback", "ValueError", "cannot use", ".py"):
        assert trace not in page
    lines = printed()
    assert any("ValueError at " in line.get("error", "") for line in lines)
    assert SECRET not in json.dumps(lines)
