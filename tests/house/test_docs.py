"""The documentation names every setting and event, its links and names are right, and no file names this machine."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from keys.rules.event_contents import DETAILS
from keys.rules.events import Event
from portal import conf
from tests.house.project import ROOT, files, texts
from tests.house.test_imports import LAYERS
from tests.support.cases import in_one_test

PAGES = texts("*.md")
TRACKED = [path.relative_to(ROOT) for path in files()]

KNOWN_HOSTS = {
    "localhost": "this machine",
    "testserver": "Django's test client",
    "schemas.xmlsoap.org": "the names of SAML attributes, as Entra ID writes them",
    "www.w3.org": "the names of XML vocabularies",
    "login.microsoftonline.com": "the issuer of Entra ID",
    "accounts.google.com": "the issuer of Google",
    "semver.org": "the rules for version numbers",
    "w": "the workspace of a test",
    "a": "the workspace of a test",
}
KNOWN_DOMAINS = (".cerby.com", ".example", ".example.com")
"""Cerby's own domain, and the domains that are reserved for examples."""


@in_one_test("name", sorted(conf.NAMES))
def test_every_setting_is_described(name):
    assert f"`{name}`" in PAGES["docs/configuration.md"]


def test_no_other_setting_is_described():
    described = set(
        re.findall(r"^\| `((?:PORTAL|CERBY|DATABASE)_\w+)` ", PAGES["docs/configuration.md"], re.MULTILINE)
    )
    assert described == conf.NAMES


@in_one_test("event", Event)
def test_every_event_is_described_with_its_details(event):
    (row,) = re.findall(rf"^\| `{event.value}` .*$", PAGES["docs/audit.md"], re.MULTILINE)
    assert event.label in row
    for detail in DETAILS.get(event, frozenset()):
        assert f"`{detail}`" in row


def anchors(page: str) -> set[str]:
    """Return the fragments with which a link can point at the page's headings."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@in_one_test("path", PAGES)
def test_links_have_a_target(path):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[path]):
        target = urlsplit(link)
        if target.scheme:
            continue
        file = ((ROOT / path).parent / unquote(target.path)).resolve() if target.path else ROOT / path
        exists = file.exists() and file.is_relative_to(ROOT)
        page = file.read_text() if exists and file.suffix == ".md" else ""
        if not exists or (target.fragment and page and target.fragment not in anchors(page)):
            broken.append(link)
    assert broken == []


@in_one_test("path", PAGES)
def test_files_named_in_the_docs_exist(path):
    named = re.findall(
        r"`((?:\.ci|benchmarks|deploy|docs|keys|portal|sandbox|static|templates|tests)/[\w/.-]+\.\w+)`",
        PAGES[path],
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_draws_the_layers():
    (drawing,) = re.findall(r"^```\n([\w |→\n]+ → [\w |→\n]+)^```", PAGES["README.md"], re.MULTILINE)
    drawn = [{f"keys.{folder.strip()}" for folder in layer.split("|")} for layer in drawing.split("→")]
    assert drawn == LAYERS


def test_the_readme_lists_every_folder():
    folders = {path.parts[:2] if path.parts[0] == "keys" else path.parts[:1] for path in TRACKED}
    names = {folder[-1] for folder in folders if (ROOT / Path(*folder)).is_dir() and folder[0][0] != "."}
    (tree,) = re.findall(r"^```\n(portal/ .*?)^```", PAGES["README.md"], re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^ *(\w+)/ ", tree, re.MULTILINE)) == names | {"keys"}


def hosts(text: str) -> set[str]:
    found = set()
    for address in re.findall(r"https?://([^\s/\"'<>`)(|\\,;{}]+)", text):
        host = address.rpartition("@")[2].partition(":")[0].partition("?")[0].rstrip(".…").lower()
        found.add(host)
    return found


def is_known(host: str) -> bool:
    is_loopback = re.fullmatch(r"127(\.\d+){3}|\[", host) is not None
    return is_loopback or host in KNOWN_HOSTS or f".{host}".endswith(KNOWN_DOMAINS)


def test_no_file_names_an_unknown_host():
    """In particular no package index: each installation chooses its own."""
    named = {path: hosts(text) for path, text in texts().items() if not path.startswith("static/vendor/")}
    unknown = {path: {host for host in found if not is_known(host)} for path, found in named.items()}
    unknown = {path: found for path, found in unknown.items() if found}
    assert unknown == {}


def test_no_file_names_a_folder_of_this_machine():
    folders = {ROOT, ROOT.parent, Path.home()} - {Path("/"), Path(tempfile.gettempdir())}
    naming = {path for path, text in texts().items() for folder in folders if f"{folder}/" in text}
    assert naming == set()


def test_the_portals_data_is_not_under_version_control():
    ignored = subprocess.run(
        ["git", "check-ignore", ".venv/pyvenv.cfg", "var/portal.sqlite3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ignored.stdout.split() == [".venv/pyvenv.cfg", "var/portal.sqlite3"]
