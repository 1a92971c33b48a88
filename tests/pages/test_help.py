"""Test the help pages, and that every link to them leads to a page and a section that exist."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from keys.selectors import help as manual
from tests.pages.helpers import attribute, elements, links, text, the, words

NAMES = sorted(name for names in manual.PAGES.values() for name in names)
ROOT = Path(settings.BASE_DIR)
IN_TEMPLATES = re.compile(r"{% url 'keys:help-page' '([\w-]+)' %}((?:#[\w-]+)?)")
IN_MODULES = re.compile(r"reverse\('keys:help-page', args=\['([\w-]+)'\]\)}((?:#[\w-]+)?)")
IN_MAILS = re.compile(r"{url}/help/([\w-]+)/((?:#[\w-]+)?)")


@pytest.fixture
def reader(browser_of):
    return browser_of("guest")


def ids(page) -> set[str | None]:
    return {attribute(element, "id") for element in elements(page)}


def test_the_list_leads_to_every_page(reader):
    addresses = {href for href in links(reader.get("/help/")).values() if href.startswith("/help/")}
    assert addresses - {"/help/"} == {f"/help/{name}/" for name in NAMES}


def test_every_link_and_image_of_a_page_leads_somewhere(reader):
    pages = {f"/help/{name}/": reader.get(f"/help/{name}/") for name in NAMES}
    fragments = {path: ids(page) for path, page in pages.items()}
    for path, page in pages.items():
        assert words(the(page, "h1"))
        assert len(fragments[path]) > 1
        for href in links(page).values():
            target = urlsplit(href)
            if target.path.startswith("/help/") and target.path not in pages:
                assert reader.get(target.path).status_code == 200, (path, href)
            elif not target.scheme and target.fragment:
                assert target.fragment in fragments.get(target.path, fragments[path]), (path, href)
        for image in elements(page, "img"):
            assert reader.get(attribute(image, "src")).status_code == 200, (path, image)


def links_in_the_interface() -> set[tuple[str, str]]:
    texts = [path.read_text() for path in (ROOT / "templates").rglob("*.html")]
    modules = [path.read_text() for path in (ROOT / "keys").rglob("*.py")]
    found = {match for source in texts for match in IN_TEMPLATES.findall(source)}
    return found | {
        match for source in modules for form in (IN_MODULES, IN_MAILS) for match in form.findall(source)
    }


def test_every_link_of_the_interface_opens_the_right_section(reader):
    found = links_in_the_interface()
    assert ("audit", "#anchors") in found
    assert ("operations", "#the-audit-log-is-damaged") in found
    for name, fragment in sorted(found):
        page = reader.get(f"/help/{name}/")
        assert page.status_code == 200, name
        assert not fragment or fragment[1:] in ids(page), (name, fragment)


def test_no_page_names_a_file_of_the_manual_instead_of_linking_to_it():
    for path in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"docs/[\w-]+\.md", path.read_text()), path


def test_tables_code_and_links(reader):
    page = reader.get("/help/operations/")
    assert elements(page, "div", role="group", tabindex="0")
    assert elements(page, "pre", tabindex="0")
    assert links(page)["“Configuration”"] == "/help/configuration/"
    assert "README" not in links(page)  # the portal does not show this file
    assert "The README explains the first set-up" in text(page)


def test_html_in_a_file_is_text(reader, settings, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/audit.md").write_text(
        "# Title\n\n<script>alert(1)</script> [x](javascript:alert(1)) [y](../keys/urls.py) [z](#a-b)\n\n## A, `b`\n"
    )
    settings.BASE_DIR = tmp_path
    manual._page.cache_clear()
    page = reader.get("/help/audit/")
    manual._page.cache_clear()
    assert "<script>alert(1)" not in page.content.decode()
    assert "<script>alert(1)</script>" in text(page)
    assert {"x", "y"}.isdisjoint(links(page))
    assert links(page)["z"] == "#a-b"
    assert words(the(page, "h2", id="a-b")) == "A, b"


@pytest.mark.parametrize(
    "address", ["/help/no-such-page/", "/help/testing/", "/help/images/no.png", "/help/images/..%2Fx.png"]
)
def test_nothing_else_is_shown(reader, address):
    assert reader.get(address).status_code == 404
