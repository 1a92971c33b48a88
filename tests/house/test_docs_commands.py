"""Each command that the documentation shows exists, and has the options that are shown."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from django.core.management import get_commands, load_command_class

from tests.house.project import ROOT, texts
from tests.support.cases import in_one_test

PAGES = {
    path: text
    for path, text in texts("*.md").items()
    if path != "CHANGELOG.md" and not path.startswith("docs/adr/")  # these also describe the past
}
CODE = re.compile(r"^ *```.*?^ *```$|`[^`]+`", re.MULTILINE | re.DOTALL)
MANAGE = re.compile(r"manage\.py ([a-z]\w+)([^`\n|;&]*)")
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]*)")
MAKE = re.compile(r"(?:^|`| )make ([a-z]+)\b", re.MULTILINE)
MODULE = re.compile(r"python3? -m ([\w.]+)")


@cache
def options_of(command: str) -> frozenset[str]:
    found = load_command_class(get_commands()[command], command)
    return frozenset(_options(found.create_parser("manage.py", command)))


def _options(parser: ArgumentParser) -> Iterator[str]:
    """Yield the options of a command and of its parts, such as ``policy check``."""
    yield from parser._option_string_actions
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for part in action.choices.values():
                yield from _options(part)


def wrong_commands(page: str) -> Iterator[str]:
    """Yield the commands on a page that don't exist, and the options that a command doesn't have."""
    code = "\n".join(CODE.findall(page)).replace("\\\n", " ")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    yield from (f"make {target}" for target in MAKE.findall(code) if target not in targets)
    yield from (f"python -m {module}" for module in MODULE.findall(code) if not find_spec(module))
    for command, rest in MANAGE.findall(code):
        if command not in get_commands():
            yield f"manage.py {command}"
            continue
        known = options_of(command)
        yield from (f"{command} {option}" for option in OPTION.findall(rest) if option not in known)


@in_one_test("path", PAGES)
def test_every_command_on_a_page_exists(path):
    assert list(wrong_commands(PAGES[path])) == []


@in_one_test(
    "page, wrong",
    [
        ("`make run`, `manage.py audit_verify --anchors FILE` and `python -m pytest`", []),
        ("Run `make rum`.", ["make rum"]),
        ("```\n.venv/bin/python manage.py audit_verfy\n```", ["manage.py audit_verfy"]),
        ("`manage.py evidence --from 2026-01-01 \\\n --till now`", ["evidence --till"]),
        ("`python -m sandbox.lunch`", ["python -m sandbox.lunch"]),
        ("We make mistakes.", []),
    ],
)
def test_a_wrong_command_is_found(page, wrong):
    """The known-bad control."""
    assert list(wrong_commands(page)) == wrong
