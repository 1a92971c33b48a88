"""Read a response as a person would: by label, table row and message beside a field."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.test.html import Element, normalize_attributes
from django.test.utils import CaptureQueriesContext
from lxml import etree

from keys.models import ApiKey, AuditEvent, User
from tests.cast import a_key

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse
else:
    from django.http import HttpResponse as _MonkeyPatchedWSGIResponse

Response = _MonkeyPatchedWSGIResponse

HTMX = {"HX-Request": "true"}


def elements(response: Response, tag: str = "", /, **attributes: str | None) -> list[Element]:
    """Return every ``tag`` element with these attributes. ``_`` stands for ``-``; ``class_`` matches one class."""
    return _matching(_all_in(response.content), tag, attributes)


@lru_cache(maxsize=4)
def _all_in(content: bytes) -> list[Element]:
    """Return all elements of a page, each after the one that contains it."""
    return _walk(_parsed(content))


@lru_cache(maxsize=4)
def _parsed(content: bytes) -> Element:
    """Parse a page once for many queries. Fail if a tag is not closed, or closed without being open.

    libxml2 takes a fifth of the time of Django's parser. It doesn't know the tags of HTML 5.
    """
    parser = etree.HTMLParser(encoding="utf-8", recover=True)
    page = etree.HTML(content, parser)
    errors = [str(one) for one in parser.error_log if one.type != etree.ErrorTypes.HTML_UNKNOWN_TAG]
    assert errors == []
    root = _copied(page if b"<html" in content else page[0])
    [first, *others] = root.children or [""]
    return first if root.name == "body" and not others and isinstance(first, Element) else root


def _copied(node: etree._Element) -> Element:
    """Copy an element as Django's parser would: single spaces in texts, and no empty texts."""
    element = Element(node.tag, _normal(tuple(node.items())))
    children = element.children
    text = node.text or ""
    for child in node:
        if isinstance(child.tag, str):  # not a comment
            if text := _SPACE.sub(" ", text).strip():
                children.append(text)
            children.append(_copied(child))
            text = child.tail or ""
        else:
            text += child.tail or ""
    if text := _SPACE.sub(" ", text).strip():
        children.append(text)
    return element


_SPACE = re.compile(r"[\t\n\f\r ]+")
_normal = lru_cache(maxsize=4096)(normalize_attributes)


def within(element: Element, tag: str = "", /, **attributes: str | None) -> list[Element]:
    """Like ``elements``, but inside one element."""
    return _matching(_walk(element), tag, attributes)


def _matching(found: list[Element], tag: str, wanted: dict[str, str | None]) -> list[Element]:
    named = [element for element in found if element.name == tag] if tag else found
    return [element for element in named if _fits(element, wanted)] if wanted else named[:]


def _fits(element: Element, wanted: dict[str, str | None]) -> bool:
    own = dict(element.attributes)
    return all(_has(own, key, value) for key, value in wanted.items())


def _has(own: dict[str, str | None], key: str, value: str | None) -> bool:
    key = key.rstrip("_").replace("_", "-")
    if key == "class":
        return str(value) in str(own.get("class", "")).split()
    return key in own and (own[key] or None) == (value or None)


def _walk(element: Element) -> list[Element]:
    """Return ``element`` and all elements in it, in the order of the page."""
    found = [element]
    for child in element.children:
        if isinstance(child, Element):
            found += _walk(child)
    return found


def the(response: Response, tag: str = "", /, **attributes: str | None) -> Element:
    """Return the only such element. Fail if there are none or several."""
    found = elements(response, tag, **attributes)
    assert len(found) == 1, f"found {len(found)} of <{tag} {attributes}>"
    return found[0]


def attribute(element: Element, name: str) -> str | None:
    return dict(element.attributes).get(name)


def words(element: Element | str) -> str:
    """Return the text of an element with single spaces."""
    parts = [element] if isinstance(element, str) else [words(child) for child in element.children]
    return " ".join(" ".join(parts).split())


def text(response: Response) -> str:
    """Return the text of the page's main element, or of the whole fragment."""
    return words((elements(response, "main") or [_parsed(response.content)])[0])


def links(response: Response) -> dict[str, str]:
    """Return the href of every link by its text."""
    return {words(link): attribute(link, "href") or "" for link in elements(response, "a")}


def rows(response: Response) -> list[dict[str, str]]:
    """Return the table's rows as dictionaries from column label to cell text."""
    header = [words(cell) for cell in within(the(response, "thead"), "th")]
    lines = within(the(response, "tbody"), "tr")
    cells = [[words(cell) for cell in line.children if isinstance(cell, Element)] for line in lines]
    return [dict(zip(header, line, strict=True)) for line in cells]


def details(response: Response) -> dict[str, str]:
    """Return the values of all description lists by their names."""
    found = elements(response, "dt"), elements(response, "dd")
    return {words(name): words(value) for name, value in zip(*found, strict=True)}


def names(response: Response) -> list[str]:
    """Return the names of the keys in table order, or an empty list if there is no table."""
    return [row["Name"] for row in rows(response)] if elements(response, "tbody") else []


def reason_beside(response: Response, field_id: str) -> str:
    """Return the error that the field's aria-describedby points to."""
    field = the(response, id=field_id)
    assert attribute(field, "aria-invalid") == "true", f"{field_id} is not marked as invalid"
    named = (attribute(field, "aria-describedby") or "").split()
    errors = [found for one in named if one.endswith("_error") for found in elements(response, id=one)]
    return " ".join(words(error) for error in errors)


def csv_rows(response: Any) -> list[list[str]]:
    assert response.streaming
    content = b"".join(response.streaming_content).decode("utf-8")
    return list(csv.reader(io.StringIO(content.removeprefix("\ufeff"))))


def walk_pages(browser: Client, url: str, rel: str = "next") -> Iterator[Response]:
    """Yield the page at ``url``, then the pages behind its Next (or Previous) links."""
    path = url.partition("?")[0]
    while True:
        response = browser.get(url)
        assert response.status_code == 200
        yield response
        onward = elements(response, "a", rel=rel)
        if not onward:
            return
        url = f"{path}{attribute(onward[0], 'href')}"


def queries(browser: Client, url: str) -> int:
    """Return the number of queries of a page, after one request to warm up."""
    browser.get(url)
    with CaptureQueriesContext(connection) as seen:
        assert browser.get(url).status_code == 200
    return len(seen)


def many_keys(owner: User, count: int, *, numbered: bool = True, **columns: Any) -> list[ApiKey]:
    """Create ``count`` keys that differ only in their ids and, if ``numbered``, their names."""
    pattern = a_key(owner, **columns)
    kept = [field.attname for field in ApiKey._meta.concrete_fields if not field.generated]
    shared = {name: getattr(pattern, name) for name in kept}
    copies = [
        ApiKey(**shared | {"id": uuid.uuid4(), "cerby_id": uuid.uuid4(), "name": f"{pattern.name}{suffix}"})
        for suffix in (f" {number:03}" if numbered else "" for number in range(1, count))
    ]
    ApiKey.objects.bulk_create(copies)
    return [pattern, *copies]


def events(**which: Any) -> list[AuditEvent]:
    """Return the audit events, oldest first."""
    return list(AuditEvent.objects.filter(**which).order_by("id"))


def messages_of(response: Response) -> str:
    """Return the text of the page's messages."""
    return " ".join(words(found) for found in elements(response, "ul", class_="messages"))


def encoded(body: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``Client.generic`` for a body, as a form or, below "json", as JSON."""
    if "json" in body:
        return {"data": json.dumps(body["json"]), "content_type": "application/json"}
    return {"data": encode_multipart(BOUNDARY, body), "content_type": MULTIPART_CONTENT}
