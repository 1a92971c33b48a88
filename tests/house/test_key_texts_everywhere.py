"""A key that somebody types anywhere does not get into the audit log, nor into any other row of the portal.

The test walks the table of URLs in url_table.py, which has every URL. Its own lists of fields come from the
forms themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

from keys.audit import log
from keys.models import AuditEvent, Session
from tests.house.test_urls import prepare, send
from tests.house.url_table import TABLE

SECRET = "sbx_9f3kQ7vLmT2xW8zR4nB6cD1yH5"
OTHERWISE_FREE = ("next", "after", "before", "back", "page", "fragment", "step", "query")
"""Parameters that belong to no form."""
FILTERED = ("inventory", "activity", "past", "people", "find", "compare", "mine", "bulk", "login", "reauth")
"""Parts of the names of URLs that read parameters. The others get all parameters together only."""

__all__ = ["prepare"]  # a fixture


def every_form() -> Iterator[type[forms.BaseForm]]:
    waiting: list[type[forms.BaseForm]] = [forms.Form]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if found.__module__.startswith(("keys.", "allauth.account.")):
            yield found


def fields_of(form: type[forms.BaseForm]) -> dict[str, forms.Field]:
    fields: dict[str, forms.Field] = vars(form).get("base_fields", {})
    return fields


@cache
def fields_that_accept_it() -> set[str]:
    """Return the name of each field of any form that takes the text of a key as it is."""
    names: set[str] = set()
    for form in every_form():
        for name, field in fields_of(form).items():
            try:
                field.clean(SECRET)
            except (ValidationError, AttributeError, TypeError):
                continue
            names.add(name)
    return names


def queries(url: str, *, every: bool) -> Iterator[dict[str, str]]:
    """Yield all parameters of all forms together, and each or every second one that may accept the text alone."""
    yield {name: SECRET for form in every_form() for name in fields_of(form)} | dict.fromkeys(
        OTHERWISE_FREE, SECRET
    )
    if any(part in url for part in FILTERED):
        alone = sorted({*fields_that_accept_it(), *OTHERWISE_FREE})
        yield from ({name: SECRET} for name in (alone if every else alone[len(url) % 2 :: 2]))


def bodies(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield ``body`` with the text in each of its values in turn, and in the names and content of files."""
    if "json" in body:
        yield from ({"json": body["json"] | {name: SECRET}} for name in body["json"])
        return
    for name, value in body.items():
        if isinstance(value, SimpleUploadedFile):
            value.seek(0)
            content = value.read()
            yield body | {name: SimpleUploadedFile(f"{SECRET}.csv", content)}
            for part in content.split(b"\n")[1].split(b","):
                yield body | {name: SimpleUploadedFile("k.csv", content.replace(part, SECRET.encode()))}
        elif isinstance(value, str) and "\n" in value:
            for part in value.split("\n")[1].split(","):
                yield body | {name: value.replace(part, SECRET)}
        else:
            yield body | {name: [SECRET] if isinstance(value, list) else SECRET}


def places() -> set[str]:
    """Return the tables that contain the text."""
    found = set()
    for model in apps.get_app_config("keys").get_models():
        for row in model._default_manager.values_list():
            shown = [bytes(value) if isinstance(value, memoryview) else value for value in row]
            if SECRET in repr(shown):
                found.add(model._meta.db_table)
    if any(SECRET in repr(session.get_decoded()) for session in Session.objects.all()):
        found.add("django_session")
    return found


@pytest.fixture
def leaks(prepare, nightly):
    """Return a function: send the text to a URL in every way, and return the tables that contain it then."""
    headers = {"User-Agent": SECRET, "Referer": f"https://x.example/{SECRET}"}

    def of(name: str) -> set[str]:
        methods = {method for listed in TABLE[name] for method in listed.split()}
        person = "outsider" if name.startswith("account_") else "super_admin"
        browser, address, body = prepare(person, name)
        if "GET" in methods:
            for query in queries(name, every=nightly):
                send(browser, "GET", address, {}, headers=headers, query_params=query)
        for turn in range(len(list(bodies(body))) if "POST" in methods else 0):
            browser, address, body = prepare(person, name)
            send(browser, "POST", address, list(bodies(body))[turn], headers=headers)
        return places()

    return of


@pytest.mark.parametrize("name", TABLE)
def test_the_text_of_a_key_is_stored_nowhere(leaks, name):
    assert leaks(name) == set()


@pytest.mark.parametrize("name", ["keys:correct", "keys:key-rescope"])
def test_an_event_that_keeps_its_texts_is_found(leaks, name, monkeypatch):
    """Known bad: texts are stored as they are typed."""
    monkeypatch.setattr(log, "without_key_texts", lambda event: event)
    assert leaks(name) == {AuditEvent._meta.db_table}


def test_the_walk_knows_the_fields():
    assert {"actor", "name", "purpose", "text", "explanation", "key"} <= fields_that_accept_it()
