"""Imports point down only, and each library is spoken to in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("keys", "portal")
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
}

LAYERS = [
    {"keys.urls", "keys.apps", "keys.management"},
    {"keys.templatetags"},
    {"keys.views"},
    {"keys.jobs", "keys.forms_existing", "keys.copying"},
    {"keys.forms", "keys.forms_audit", "keys.actions", "keys.checks"},
    {"keys.selectors"},
    {"keys.moves", "keys.audit.guard", "keys.registration"},
    {"keys.audit.bundle", "keys.evidence", "keys.siem"},
    {"keys.audit.check"},
    {
        "keys.audit.signing",
        "keys.audit.sequence",
        "keys.audit.record",
        "keys.audit.tiles",
        "keys.audit.anchors",
    },
    {"keys.audit.outlets"},
    {"keys.audit.log", "keys.audit.nodes"},
    {"keys.actors", "keys.key_request", "keys.granted", "keys.plain_text", "keys.seal"},
    {"keys.cerby", "keys.outbound"},
    {"keys.models"},
    {"keys.policy", "keys.wording", "keys.sheets"},
    {"keys.audit.ratchet", "keys.audit.checkpoint", "keys.audit.verify_pack"},
    {
        "keys.scopes",
        "keys.lifecycle",
        "keys.errors",
        "keys.audit.damage",
        "keys.audit.events",
        "keys.audit.leaf",
        "keys.audit.files",
        "keys.audit.tree",
        "keys.audit.verify_bundle",
    },
]
"""From the top down: a module imports from its own package and from layers below its own."""

IMPORT_NOTHING_OF_KEYS = ("portal.conf", "portal.settings", "portal.logs", "keys.audit.events", "keys.errors")
ONLY_IMPORTERS = {
    "requests": ("keys.cerby", "keys.outbound"),
    "urllib3": ("keys.cerby", "keys.outbound"),
    "cryptography": (
        "keys.seal",
        "keys.audit.ratchet",
        "keys.audit.checkpoint",
        "keys.audit.verify_bundle",
        "keys.audit.verify_pack",
    ),
    "keys.cerby.sandbox": ("keys.management.commands.cerby_sandbox",),
}
INSIDE_A_FUNCTION = {
    (
        "keys.apps",
        "keys.checks",
    ): "checks register themselves when Django is ready, not when it loads the app",
}


def imports(module: str, nodes: Iterator[ast.AST] | None = None) -> set[str]:
    """Every module that ``module`` imports; of ``from a import b`` also ``a.b`` where that is a module."""
    found = set()
    for node in nodes or ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = names & MODULES.keys()
            found |= modules or {str(node.module)}
    return found


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer(module: str) -> tuple[int, str]:
    """How far down, and the part of the house. The longest name that fits counts."""
    fitting = [
        (len(part), n, part) for n, parts in enumerate(LAYERS) for part in parts if within(module, part)
    ]
    assert fitting, f"{module} has no place in LAYERS"
    _, depth, part = max(fitting)
    return depth, part


HOUSED = sorted(name for name in MODULES if within(name, "keys") and name not in {"keys", "keys.audit"})


@pytest.mark.parametrize("module", HOUSED)
def test_imports_point_down(module):
    depth, part = layer(module)
    for name in imports(module):
        if not within(name, "keys") or name in {"keys", "keys.audit"}:
            continue
        below, other = layer(name)
        assert below > depth or other == part, f"{module} imports {name}, which is not below it"


@pytest.mark.parametrize("module", IMPORT_NOTHING_OF_KEYS)
def test_what_stands_at_the_bottom_imports_nothing_of_the_domain(module):
    assert not {name for name in imports(module) if within(name, "keys")}


@pytest.mark.parametrize(("library", "places"), ONLY_IMPORTERS.items())
def test_each_library_has_its_places(library, places):
    importers = {module for module in MODULES if any(within(name, library) for name in imports(module))}
    allowed = (*places, library)
    assert not {module for module in importers if not any(within(module, place) for place in allowed)}
    assert importers


@pytest.mark.parametrize("module", [name for name in MODULES if within(name, "keys.cerby.sandbox")])
def test_the_sandbox_shares_nothing_with_the_portal(module):
    """Otherwise both would agree on the same mistake."""
    ours = {name for name in imports(module) if within(name, "keys") or within(name, "portal")}
    assert {name for name in ours if not within(name, "keys.cerby.sandbox")} == set()
    assert not {name for name in imports(module) if within(name, "django")}


def test_no_import_hides_in_a_function():
    hidden = set()
    for module, path in MODULES.items():
        functions = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.Lambda)
        ]
        nodes = (node for function in functions for node in ast.walk(function))
        hidden |= {(module, name) for name in imports(module, nodes)}
    assert hidden == INSIDE_A_FUNCTION.keys()
