"""Lists: check the query parameters, filter, sort and cut into pages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl, quote, urlencode

from sandbox.bodies import not_in_enumeration
from sandbox.messages import Call, Json, Response
from sandbox.moments import in_published_forms
from sandbox.problems import invalid

_MAX_SIZE = 100
_DEFAULT_SIZE = 25
_MAX_PARAMETERS = 50
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
_FILTER = re.compile(r"filter\[(\w+)\]")

Reader = Callable[[str], object]
"""Parses one value of a filter. Raises ValueError with the validator's sentence and kind."""


def text(value: str) -> str:
    return value


def boolean(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError("value could not be parsed to a boolean", "type_error.bool")
    return value == "true"


def uuid_text(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise ValueError("value is not a valid uuid", "type_error.uuid") from error


def choice(allowed: Iterable[str]) -> Reader:
    options = frozenset(allowed)

    def read(value: str) -> str:
        if value not in options:
            raise ValueError(not_in_enumeration(sorted(options)), "type_error.enum")
        return value

    return read


@dataclass(frozen=True)
class Listing:
    """The parameters of a list: ``filter[name]``, ``sort`` and, if ``search`` is set, plain ``filter``.

    ``search`` returns the texts of a resource's attributes in which ``filter=text`` searches. ``flags`` are
    true-or-false parameters that the endpoint reads itself.
    """

    filters: Mapping[str, Reader] = field(default_factory=dict)
    sorts: frozenset[str] = frozenset()
    search: Callable[[Json], tuple[str, ...]] | None = None
    flags: frozenset[str] = frozenset()


class Resources(Protocol):
    """A list, or a lazy sequence that reads only the requested slice."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> list[Json]: ...


def list_response(call: Call, resources: Resources, listing: Listing) -> Response:
    """Return one page of ``resources``, which come in their default order. Raises ApiError 400."""
    if call.request.as_of is not None:
        as_of = call.request.as_of
        resources = [resource for resource in resources[:] if resource["attributes"]["createdAt"] <= as_of]
    parameters = _parameters(call.request.query)
    number = _whole_number(parameters.pop("page[number]", "1"), "page[number]")
    size = _whole_number(parameters.pop("page[size]", str(_DEFAULT_SIZE)), "page[size]", _MAX_SIZE)
    for name, value in parameters.items():
        resources = _apply(resources[:], listing, name, value)
    total = len(resources)
    if call.request.rearrange is not None:
        resources = call.request.rearrange(resources[:], size)
    last = max(1, -(-len(resources) // size))

    def link(page: int) -> str:
        query = {**parameters, "page[number]": page, "page[size]": size}
        return f"{quote(call.request.path)}?{urlencode(query, quote_via=quote)}"

    payload = {
        "data": [in_published_forms(one) for one in resources[(number - 1) * size : number * size]],
        "links": {
            "self": link(number),
            "next": link(number + 1) if number < last else None,
            "previous": link(min(number - 1, last)) if number > 1 else None,
        },
        "meta": {"page": {"maxSize": _MAX_SIZE, "total": total}},
    }
    return Response(HTTPStatus.OK, payload)


def flag(call: Call, name: str) -> bool:
    """Return a true-or-false parameter of the query, false if it is absent. Raises ApiError 400."""
    return bool(_read(boolean, _parameters(call.request.query).get(name, "false"), (name,)))


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise invalid(("query",), "too many parameters") from error
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise invalid((name,), "this parameter is given twice")
        parameters[name] = value
    return parameters


def _whole_number(value: str, name: str, maximum: int | None = None) -> int:
    if not _WHOLE_NUMBER.fullmatch(value):
        raise invalid((name,), "value is not a valid integer", "type_error.integer")
    number = int(value)
    if number < 1:
        raise invalid((name,), "ensure this value is greater than or equal to 1", "value_error.number.not_ge")
    if maximum is not None and number > maximum:
        msg = f"ensure this value is less than or equal to {maximum}"
        raise invalid((name,), msg, "value_error.number.not_le")
    return number


def _apply(resources: list[Json], listing: Listing, name: str, value: str) -> list[Json]:
    """Return the resources after applying one parameter."""
    if name in listing.flags:
        return resources
    if name == "sort":
        return _sorted(resources, listing, value)
    if name == "filter" and listing.search is not None:
        search, needle = listing.search, value.casefold()
        return [
            resource
            for resource in resources
            if any(needle in field_text.casefold() for field_text in search(resource["attributes"]))
        ]
    match = _FILTER.fullmatch(name)
    if match is None or match[1] not in listing.filters:
        raise invalid((name,), "extra fields not permitted", "value_error.extra")
    reader = listing.filters[match[1]]
    wanted = {_read(reader, part, (name, position)) for position, part in enumerate(value.split(","))}
    return [resource for resource in resources if resource["attributes"].get(match[1]) in wanted]


def _read(reader: Reader, value: str, loc: tuple[str | int, ...]) -> object:
    if not value:
        msg = "ensure this value has at least 1 characters"
        raise invalid(loc, msg, "value_error.any_str.min_length")
    try:
        return reader(value)
    except ValueError as error:
        raise invalid(loc, *error.args) from error


def _sorted(resources: list[Json], listing: Listing, value: str) -> list[Json]:
    name = value.removeprefix("-")
    if name not in listing.sorts:
        raise invalid(("sort",), not_in_enumeration(sorted(listing.sorts)), "type_error.enum")

    def sort_key(resource: Json) -> tuple[bool, str]:
        value = resource["attributes"].get(name)
        return (value is not None, "" if value is None else value.casefold())

    return sorted(resources, key=sort_key, reverse=value.startswith("-"))
