"""Imports point down, one layer per folder, and each library is used in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("keys", "portal", "sandbox")
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
}

LAYERS = [
    {"keys.urls", "keys.apps", "keys.management"},
    {"keys.views", "keys.templatetags", "keys.checks"},
    {"keys.jobs"},
    {"keys.actions"},
    {"keys.selectors", "keys.forms", "keys.evidence"},
    {"keys.audit", "keys.siem", "keys.validation"},
    {"keys.cerby"},
    {"keys.delivery"},
    {"keys.models", "keys.crypto"},
    {"keys.rules", "keys.tlog", "keys.verifier"},
]
"""From the top down. A module imports only from its own folder and from lower layers."""

IMPORT_NOTHING_OF_KEYS = (
    "portal.conf",
    "portal.settings",
    "portal.logs",
    "keys.rules.events",
    "keys.rules.errors",
)
ONLY_IMPORTERS = {
    "requests": ("keys.cerby", "keys.delivery"),
    "urllib3": ("keys.cerby", "keys.delivery"),
    "cryptography": ("keys.crypto", "keys.tlog", "keys.verifier"),
}
INSIDE_A_FUNCTION = {
    (
        "keys.apps",
        "keys.checks",
    ): "checks register themselves when Django is ready, not when it loads the app",
}
LAUNCHER = "sandbox.launcher"
"""The part of the sandbox that starts the portal. It knows the portal; the imitation of Cerby does not."""


def imports(module: str, nodes: Iterator[ast.AST] | None = None) -> set[str]:
    """Return each module that ``module`` imports; for ``from a import b`` also ``a.b`` if that is a module."""
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
    """Return the layer's number and the folder of ``module``."""
    for number, folders in enumerate(LAYERS):
        for folder in folders:
            if within(module, folder):
                return number, folder
    raise AssertionError(f"{module} has no place in LAYERS")


def own_imports(module: str) -> set[str]:
    return {name for name in imports(module) if name in MODULES and name != module}


LAYERED = sorted(name for name in MODULES if within(name, "keys") and name != "keys")


@pytest.mark.parametrize("module", LAYERED)
def test_imports_point_down(module):
    number, folder = layer(module)
    for name in own_imports(module):
        if within(name, "keys"):
            below, other = layer(name)
            assert below > number or other == folder, f"{module} imports {name}, which is not below it"


def cycle(graph: dict[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_there_is_no_import_cycle():
    """Imports for type checking count as well."""
    assert cycle({module: own_imports(module) for module in MODULES}) is None


def feature(module: str) -> str:
    """Return the folder inside a layer, such as ``keys.actions.people``; for a loose module its own name."""
    parts = module.split(".")
    return ".".join(parts[:3]) if len(parts) > 3 else module


@pytest.mark.parametrize("part", ["keys.actions", "keys.selectors"])
def test_features_of_one_layer_do_not_import_each_other_in_a_circle(part):
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        if within(module, part) and module != part:
            others = {feature(name) for name in own_imports(module) if within(name, part)}
            graph.setdefault(feature(module), set()).update(others - {feature(module), part})
    assert cycle(graph) is None


def test_the_cycle_test_finds_a_cycle():
    """Check the scan with known bad imports."""
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None


@pytest.mark.parametrize("module", IMPORT_NOTHING_OF_KEYS)
def test_settings_and_vocabulary_import_nothing_from_keys(module):
    assert not {name for name in imports(module) if within(name, "keys")}


@pytest.mark.parametrize(("library", "places"), ONLY_IMPORTERS.items())
def test_each_library_has_its_places(library, places):
    importers = {
        module
        for module in MODULES
        if not within(module, "sandbox") and any(within(name, library) for name in imports(module))
    }
    assert importers
    assert not {module for module in importers if not any(within(module, place) for place in places)}


@pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if within(name, "sandbox") and not within(name, LAUNCHER))
)
def test_the_sandbox_shares_nothing_with_the_portal(module):
    """If they shared code, both would make the same mistake."""
    strange = {name for name in imports(module) if within(name, "keys") or within(name, "portal")}
    strange |= {name for name in imports(module) if within(name, "django") or within(name, LAUNCHER)}
    assert strange == set()


def test_the_imitated_workspace_does_not_know_its_faults():
    """So a reader who wants to know how Cerby answers can skip sandbox/faults."""
    knows_faults = {"sandbox.app", "sandbox.__main__"}
    others = {name for name in MODULES if within(name, "sandbox") and not within(name, "sandbox.faults")}
    importers = {
        module for module in others if any(within(name, "sandbox.faults") for name in imports(module))
    }
    assert importers == knows_faults


def test_the_portal_does_not_know_the_sandbox():
    knows = {
        module
        for module in MODULES
        if not within(module, "sandbox") and any(within(name, "sandbox") for name in imports(module))
    }
    assert knows == set()


def test_the_verifiers_import_only_each_other():
    """Auditors copy these files to machines without the portal."""
    for module in MODULES:
        if within(module, "keys.verifier"):
            foreign = {name for name in imports(module) if within(name, "keys") or within(name, "django")}
            assert not {name for name in foreign if not within(name, "keys.verifier")}


def test_the_portal_imports_from_keys_only_where_it_serves_pages():
    users = {module for module in MODULES if within(module, "portal") and own_imports(module) - {"portal"}}
    foreign = {m: {n for n in own_imports(m) if within(n, "keys")} for m in users}
    assert {module for module, names in foreign.items() if names} <= {
        "portal.middleware",
        "portal.urls",
        "portal.wsgi",  # it runs the checks
    }


def public_functions(module: str) -> set[str]:
    tree = ast.parse(MODULES[module].read_text())
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


SAME_MEANING: dict[str, str] = {}
"""Public functions that two modules of one layer may both have, because they mean the same; with the reason."""


@pytest.mark.parametrize("folder", sorted(set().union(*LAYERS)))
def test_no_two_public_functions_of_a_layer_share_a_name(folder):
    seen: dict[str, list[str]] = {}
    for module in MODULES:
        if within(module, folder):
            for name in public_functions(module):
                seen.setdefault(name, []).append(module)
    shared = {name: modules for name, modules in seen.items() if len(modules) > 1}
    assert {name: modules for name, modules in shared.items() if name not in SAME_MEANING} == {}


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
