"""Each page has one word, shared by its URL name, view, template and tests. Modules have a size limit."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import allauth
from django.urls import resolve, reverse

from keys import urls
from tests.house.project import ROOT, texts
from tests.house.url_table import VIEW_ACTS
from tests.support.cases import in_one_test

NAMES = sorted(str(pattern.name) for pattern in urls.urlpatterns)
WORD_OF = {
    "livez": "health",
    "readyz": "health",
    "people": "person",
    "person-unlink": "unlink",
    "rotations": "rotation",
    "requests": "request",
    **{f"{page}-{verb}": "saved_views" for page in ("inventory", "activity") for verb in VIEW_ACTS},
}
"""The word of each URL name that doesn't begin with its word.

Orchestrators expect the names of the probes. People unlink themselves and others with one page. keys.views.people is about the signed-in person. The inventory
and the activity share the views with which people save views of them.
"""

WITHOUT_TEMPLATE: dict[str, str] = {}
PARTS_OF_A_VIEW = {
    "accounts": "configures allauth, whose pages are in templates/account",
    "back": "the list from which a person opened a key",
    "context": "the context of every template",
    "bad_request": "Django calls it for a request that it refuses (handler400).",
    "csrf": "the response to an invalid CSRF token",
    "exports": "the response of both downloads",
    "factor_adapter": "configures allauth.mfa",
    "factor_mails": "the mails about second factors",
    "htmx": "the response to htmx",
    "kept_input": "the input of a form that was sent after the session had ended",
    "known_browser": "the cookie of a browser in which somebody has signed in",
    "list_page": "the inventory or the activity, with its saved views as tabs",
    "passwords": "the forms and the view with which people set a password, for allauth",
    "passkeys": "the challenges for passkeys, and their verification",
    "pasted_key": "the response to a search for an API key",
    "people": "the signed-in person",
    "qr_code": "the QR code for an authenticator app",
    "saml": "the addresses below accounts/ to which a provider sends its answers by SAML",
    "sso": "the addresses below accounts/ for the sign-in provider, beside those of allauth",
    "sso_refused": "the page if one of them did not work",
    "second_factor": "the second step of a sign-in, in templates/account",
    "secrecy": "the headers of pages that show a secret",
}
FACTOR_MAILS = (
    *("factor_added", "factor_removed", "factors_reset", "recovery_codes_made", "recovery_code_used"),
    "wrong_code",
)
LOOKED_UP_BY_NAME = {
    "403.html": "Django",
    "404.html": "Django",
    "500.html": "Django",
    "429.html": "allauth",
    "503.html": "portal/outage.py",
    **{
        f"account/email/{mail}_{part}.txt": sender
        for part in ("message", "subject")
        for mail, sender in {
            "person_added": "keys/jobs/mails.py",
            "sso_linked": "keys/views/sso.py",
            **dict.fromkeys(("sso_unlinked", "sso_unlinked_by_admin"), "keys/views/unlink.py"),
            "new_browser": "keys/views/accounts.py",
            "break_glass": "keys/views/accounts.py",
            "sessions_ended": "keys/views/person.py",
            **dict.fromkeys(FACTOR_MAILS, "keys/views/factor_mails.py"),
        }.items()
    },
}
ALLAUTH_TEMPLATES = Path(allauth.__file__).parent / "templates"
LONGEST = 400  # lines
IN_ONE_FILE = {"keys/verifier/verify_bundle.py": 800, "keys/verifier/verify_pack.py": 500}
"""Auditors copy each verifier as one file."""
WRITTEN_BY_DJANGO = "keys/migrations/0001_initial.py"


def word_of(name: str) -> str:
    return WORD_OF.get(name, name.partition("-")[0])


WORDS = sorted({word_of(name) for name in NAMES})


@in_one_test("name", NAMES)
def test_a_url_name_leads_to_its_view(name):
    view = next(pattern.callback for pattern in urls.urlpatterns if pattern.name == name)
    assert view.__module__ == f"keys.views.{word_of(name)}"


@in_one_test("word", sorted(set(WORDS) - WITHOUT_TEMPLATE.keys()))
def test_a_word_has_its_template(word):
    assert (ROOT / "templates" / "keys" / f"{word}.html").is_file()


@in_one_test("word", WORDS)
def test_a_word_has_its_tests(word):
    assert (ROOT / "tests" / "pages" / f"test_{word}.py").is_file()


def test_every_view_module_is_a_word_or_says_why_not():
    modules = {path.stem for path in (ROOT / "keys" / "views").glob("*.py")} - {"__init__"}
    assert modules == set(WORDS) | PARTS_OF_A_VIEW.keys()


def test_the_names_are_the_addresses_of_the_pages():
    assert resolve("/").view_name == "keys:dashboard"
    assert reverse("keys:inventory") == "/keys/"


def test_every_template_is_used():
    templates = {path.removeprefix("templates/"): text for path, text in texts("templates").items()}
    mentioned = {
        name
        for text in [*texts("keys/*.py", "portal/*.py").values(), *templates.values()]
        for name in re.findall(r"[\"']([\w/]+\.html)(?:#\w+)?[\"']", text)
    }
    unused = {
        name
        for name in templates
        if name not in mentioned
        and name not in LOOKED_UP_BY_NAME
        and not (ALLAUTH_TEMPLATES / name).is_file()
    }
    assert unused == set()
    assert LOOKED_UP_BY_NAME.keys() <= templates.keys()
    assert {name for name in mentioned if name.startswith("keys/")} <= templates.keys()


def test_a_module_says_its_one_job_in_its_first_line():
    silent = []
    for path, text in texts("keys/*.py", "portal/*.py", "sandbox/*.py", "manage.py").items():
        first_line = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        if text.strip() and path != WRITTEN_BY_DJANGO and not first_line.endswith((".", ":", "?")):
            silent.append(path)
    assert silent == []


def test_only_three_modules_are_loose_in_keys():
    loose = {path.name for path in (ROOT / "keys").glob("*.py")}
    assert loose == {"__init__.py", "apps.py", "checks.py", "urls.py"}


def test_no_module_is_long():
    modules = texts(
        "keys/*.py", "portal/*.py", "sandbox/*.py", "tests/*.py", "benchmarks/*.py", "static/*.js"
    )
    lengths = {path: text.count("\n") for path, text in modules.items() if path != WRITTEN_BY_DJANGO}
    assert {path: lines for path, lines in lengths.items() if lines > IN_ONE_FILE.get(path, LONGEST)} == {}
