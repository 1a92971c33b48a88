"""The catalogue: every fault, as data."""

from __future__ import annotations

from http import HTTPStatus

from sandbox.faults import prepare, respond
from sandbox.faults.incident import Fault, RoutePattern, Work

_WRITES = (
    RoutePattern("POST /api/v1/*"),
    RoutePattern("POST /api/v1/secrets/*/members/*"),
    RoutePattern("PATCH /api/v1/*/*"),
    RoutePattern("DELETE /api/v1/*/*"),
)
_CREATES = (RoutePattern("POST /api/v1/*"),)
_ISSUE = (RoutePattern("POST /api/v1/api-keys"),)
_DELETE = (RoutePattern("DELETE /api/v1/api-keys/*"),)
_LISTS = (RoutePattern("GET /api/v1/*"),)
_KEYS = (RoutePattern("* /api/v1/api-keys"), RoutePattern("* /api/v1/api-keys/*"))

_FOREVER = {"seconds": 300.0}
_SHORT = {"seconds": 5.0}
_NOT_COMMITTED = {"committed": False}

_CONNECTION = (
    Fault(
        "refuse-connections",
        "The port is closed while this rule is set: connections are refused, idle ones end."
        " Only for the route *.",
        respond.reset,
        Work.UNREAD,
        chaos=None,  # a demo needs its port
    ),
    Fault(
        "go-down",
        "The connection is reset before the request is read, and the port is closed for some seconds.",
        respond.go_down,
        Work.UNREAD,
        options={"seconds": 2.0},
        chaos={"seconds": 1.0},
    ),
    Fault("reset-unread", "The connection is reset before the request is read.", respond.reset, Work.UNREAD),
    Fault("reset-after-commit", "The request is carried out, then the connection is reset.", respond.reset),
    Fault(
        "hang-after-commit",
        "The request is carried out, nothing is sent for some seconds, then the connection is reset.",
        respond.hang,
        options=_FOREVER,
        chaos=_SHORT,
    ),
    Fault(
        "hang-uncommitted",
        "The request is not carried out, nothing is sent for some seconds, then the connection is reset.",
        respond.hang,
        Work.UNDONE,
        options=_FOREVER,
        chaos=_SHORT,
    ),
    Fault(
        "slow-bytes",
        "The honest answer is sent byte by byte, headers included, with some seconds before each byte.",
        respond.slow,
        options={"seconds": 1.0},
        chaos={"seconds": 0.005},
    ),
    Fault(
        "huge-body",
        "The honest answer is sent after `size` spaces.",
        respond.huge,
        options={"size": 100_000_000},
    ),
)

_LATE = (
    Fault(
        "commit-late",
        "A write gets no answer and is carried out 0 to 15 seconds later, or after the given seconds.",
        respond.reset,
        Work.LATE,
        _WRITES,
        options={"seconds": None},
    ),
    Fault(
        "commit-20-min-late",
        "A write gets no answer and is carried out 20 minutes later by the sandbox's clock.",
        respond.reset,
        Work.LATE,
        _WRITES,
        options={"seconds": 1200.0},
    ),
)

_SERVER_ERRORS = (
    Fault("500-committed", "500, but the request is carried out.", respond.error(500)),
    Fault("500-uncommitted", "500, and the request is not carried out.", respond.error(500), Work.UNDONE),
    *(
        Fault(
            f"{status}-html",
            f"{status} {HTTPStatus(status).phrase} with an HTML page, as from a gateway.",
            respond.html(status),
            options=_NOT_COMMITTED,
        )
        for status in (502, 503, 504)
    ),
)

_CREATED = (
    Fault("created-empty", "201 without a body.", respond.empty, on=_CREATES, only_success=True),
    Fault(
        "created-truncated",
        "201 with half of the announced body, then the connection closes.",
        respond.truncated,
        on=_CREATES,
        only_success=True,
    ),
    Fault(
        "created-half-json",
        "201 with the first half of the JSON.",
        respond.half_json,
        on=_CREATES,
        only_success=True,
    ),
    Fault("created-wrong-type", "201 as text/html.", respond.wrong_type, on=_CREATES, only_success=True),
    Fault(
        "created-without-key",
        "201 without the plain text.",
        respond.without_key,
        on=_ISSUE,
        only_success=True,
    ),
    Fault("created-without-id", "201 without the id.", respond.without_id, on=_CREATES, only_success=True),
    Fault(
        "created-known-id", "201 with the id of another key.", respond.known_id, on=_ISSUE, only_success=True
    ),
    Fault(
        "created-long-key",
        "201 with a key of 10,000 characters.",
        respond.long_key,
        on=_ISSUE,
        only_success=True,
    ),
    Fault(
        "created-key-with-whitespace",
        "201 with a space and a line break in the key.",
        respond.blank_in_key,
        on=_ISSUE,
        only_success=True,
    ),
    Fault(
        "created-non-ascii-key",
        "201 with a non-ASCII letter in the key.",
        respond.non_ascii_key,
        on=_ISSUE,
        only_success=True,
    ),
    Fault("200-for-201", "200 instead of 201.", respond.with_status(200), on=_CREATES, only_success=True),
    Fault("202-for-201", "202 instead of 201.", respond.with_status(202), on=_CREATES, only_success=True),
)

_REDIRECTS = tuple(
    Fault(
        f"redirect-{status}",
        f"{status} {HTTPStatus(status).phrase} to `target`.",
        respond.redirect(status),
        options={"target": "/api/v1/elsewhere", **_NOT_COMMITTED},
    )
    for status in (301, 302, 307, 308)
)

_CLIENT_ERRORS = tuple(
    Fault(
        f"{status}",
        f"{status} {HTTPStatus(status).phrase}, in Cerby's error shape"
        + (", without Retry-After." if status == HTTPStatus.TOO_MANY_REQUESTS else "."),
        respond.error(status),
        options=_NOT_COMMITTED,
    )
    for status in (400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 425, 429)
)

_TOO_MANY = (
    Fault(
        "429-seconds",
        "429 with Retry-After in seconds.",
        respond.too_many_for_seconds,
        options=_FOREVER | _NOT_COMMITTED,
    ),
    Fault(
        "429-date",
        "429 with Retry-After as a date.",
        respond.too_many_until,
        options=_FOREVER | _NOT_COMMITTED,
    ),
)

_LISTINGS = (
    Fault(
        "list-stale",
        "A list as it was some seconds ago.",
        respond.honest,
        on=_LISTS,
        prepare=prepare.show_earlier_list,
        options={"seconds": 30.0},
    ),
    Fault(
        "list-page-missing",
        "A list without one of its pages; its total still counts that page.",
        respond.honest,
        on=_LISTS,
        prepare=prepare.drop_page,
    ),
    Fault(
        "list-pages-doubled",
        "A list with every page twice.",
        respond.honest,
        on=_LISTS,
        prepare=prepare.double_pages,
    ),
    Fault(
        "list-shuffled",
        "A list in a different order at each request.",
        respond.honest,
        on=_LISTS,
        prepare=prepare.shuffle,
    ),
)

_DELETIONS = (
    Fault("delete-404-done", "The key is deleted, but the answer is 404.", respond.error(404), on=_DELETE),
    Fault(
        "delete-404-live",
        "The key is not deleted, and the answer is 404.",
        respond.error(404),
        Work.UNDONE,
        _DELETE,
    ),
    Fault("delete-500-done", "The key is deleted, but the answer is 500.", respond.error(500), on=_DELETE),
    Fault(
        "delete-204-live",
        "The key is not deleted, but the answer is 204.",
        respond.no_content,
        Work.UNDONE,
        _DELETE,
        only_success=True,
    ),
)

_WORKSPACE = (
    Fault(
        "clock-off",
        "The request is carried out with a clock that is some seconds ahead (or behind, if negative).",
        respond.honest,
        prepare=prepare.shift_clock,
        options={"seconds": 600.0},
    ),
    Fault(
        "expiry-clamped",
        "A new key expires at most some seconds from now.",
        respond.honest,
        on=_ISSUE,
        prepare=prepare.clamp_expiry,
        options={"seconds": 3600.0},
    ),
    *(
        Fault(
            name,
            f"Before the answer, a key that has an externalId is {done} by someone else.",
            respond.honest,
            on=_KEYS,
            prepare=preparation,
        )
        for name, done, preparation in (
            ("key-removed", "removed", prepare.remove_key),
            ("key-gone", "removed without a trace", prepare.erase_key),
            ("key-rescoped", "given other scopes", prepare.rescope_key),
            ("key-renamed", "renamed", prepare.rename_key),
            ("key-reowned", "given to another admin", prepare.reown_key),
        )
    ),
)

CATALOGUE = {
    fault.name: fault
    for fault in (
        *_CONNECTION,
        *_LATE,
        *_SERVER_ERRORS,
        *_CREATED,
        *_REDIRECTS,
        *_CLIENT_ERRORS,
        *_TOO_MANY,
        *_LISTINGS,
        *_DELETIONS,
        *_WORKSPACE,
    )
}
