"""Test that numbers of keys, people and events lead to them, on every page that needs no id in its address."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test.html import Element
from django.urls import reverse
from django.utils import timezone

from keys import urls
from keys.audit.signer import sign
from keys.jobs.schedule import make_rows
from keys.jobs.sealing import seal_all
from keys.jobs.tasks import figures
from keys.models import Node, PeriodicJob, User
from keys.rules.lifecycle import State
from tests.cast import a_key, a_selection
from tests.house.url_table import TABLE
from tests.pages.helpers import attribute, elements, links, names, text, the, within, words

NOW = timezone.now()
COUNTED = re.compile(
    r"\b(?<!At most )(?<![\d,])(?:\d[\d,]*\+?|None)(?: of \d[\d,]*)? (?:\w+ )?(?:API )?(?:keys?|people|persons?|events?)\b"
)
"""Such as "62 of 62 live keys", "1,000+ API keys", "None of 5 active keys", "1 person"."""
BLOCKS = {
    *("p", "li", "dd", "dt", "td", "th", "h2", "h3", "caption", "summary", "div", "section", "details"),
    *("ul", "ol", "dl", "table", "thead", "tbody", "tr", "nav", "form", "label"),
}
OWN_ROWS = ("total", "of-page")
"""Classes of the sentences that count the rows of the page itself."""


def unlinked(element: Element) -> Iterator[str]:
    """Yield the sentences that count something and contain neither a link nor a button."""
    classes = str(attribute(element, "class")).split()
    if element.name in {"a", "button", "svg", "h1", "option", "label"} or set(OWN_ROWS) & set(classes):
        return
    inner = [child for child in element.children if isinstance(child, Element)]
    if any(child.name in BLOCKS for child in inner):
        for child in inner:
            yield from unlinked(child)
    elif COUNTED.search(words(element)) and not _leads_on(element):
        yield words(element)


def _leads_on(element: Element) -> bool:
    return bool(within(element, "a") or within(element, "button") or within(element, class_="of-page"))


def addresses() -> list[str]:
    """Return the pages without an id in their addresses. A new one is found by itself."""
    patterns = [pattern for pattern in urls.urlpatterns if not pattern.pattern.converters]
    shown = [
        f"keys:{one.name}"
        for one in patterns
        if any("GET" in methods for methods in TABLE[f"keys:{one.name}"])
    ]
    return [reverse(name) for name in shown]


@pytest.fixture
def counted(cast, settings, tmp_path):
    """Fill each place that counts something."""
    settings.PORTAL_AUDIT_DIR = tmp_path / "audit"
    far = NOW + timedelta(days=200)
    keys = [a_key(cast.owner, name=f"Key {number}", expires_at=far) for number in range(3)]
    a_key(cast.owner, name="Due", state=State.REVOKING, attempts=6, due_at=NOW)
    a_key(cast.owner, name="Proved", fingerprint=b"1" * 32, pepper_id="p1", expires_at=far)
    a_key(cast.owner, name="Over", fingerprint=b"2" * 32, pepper_id="p1", expires_at=NOW - timedelta(hours=1))
    User.objects.filter(pk=cast.guest.pk).update(role_known=False, cerby_role="workspace_robot")
    make_rows()
    figures.func()
    PeriodicJob.objects.update(started_at=NOW, finished_at=NOW, succeeded_at=NOW, succeeded=True)
    PeriodicJob.objects.filter(name="sweep").update(
        summary="5 of 6 live keys confirmed, 1 discovered, 2 keys odd"
    )
    Node.objects.create(name="one")
    seal_all(uuid.UUID(int=1))
    sign()
    return keys[0]


@pytest.mark.parametrize("mode", ["gateway", "assisted"])
def test_each_sentence_with_a_number_has_a_link(browser_of, counted, cast, settings, mode):
    settings.CERBY_ISSUE_MODE = mode if mode == "assisted" else settings.CERBY_ISSUE_MODE
    owner = browser_of("owner")
    about = [reverse("keys:bulk", args=[a_selection(cast.owner, counted).pk])]
    about += [reverse("keys:person", args=[cast.owner.pk]), reverse("keys:key", args=[counted.pk])]
    found = {}
    for address in [*addresses(), *about]:
        page = owner.get(address)
        if page.status_code == 200 and not page.streaming and b"<main" in page.content:
            found[address] = [said for main in elements(page, "main") for said in unlinked(main)]
    assert len(found) > 20
    assert {address: said for address, said in found.items() if said} == {}


def test_the_control_finds_a_number_that_leads_nowhere(browser_of, counted):
    PeriodicJob.objects.filter(name="tidy").update(summary="3 keys are odd")
    page = browser_of("owner").get("/settings/health/")
    assert [said for main in elements(page, "main") for said in unlinked(main)] == ["3 keys are odd"]


def test_the_links_of_health_and_roles_list_what_they_count(browser_of, counted):
    owner = browser_of("owner")
    health = links(owner.get("/settings/health/"))
    assert names(owner.get(health["1 active key"])) == ["Proved"]
    assert sorted(names(owner.get(health["2 in all"]))) == ["Over", "Proved"]
    assert attribute(the(owner.get(health["2 in all"]), id="id_pepper"), "value") == "p1"
    assert len(names(owner.get(health["5 of 6 live keys confirmed"]))) == 5
    people = owner.get(links(owner.get("/roles/"))["1 person"])
    assert "guest@contenzilla.example" in text(people)
    assert "1 person on this page" in text(people)
    assert owner.get("/people/?role=unknown:no_such_role").status_code == 422
