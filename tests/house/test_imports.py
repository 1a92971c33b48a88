"""Imports point down, one layer per folder, and each library is used in one place."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.cases import in_one_test

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
    {"keys.cerby", "keys.oidc", "keys.saml"},
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
    "jwt": ("keys.oidc",),
    "onelogin": ("keys.saml",),
    "urllib3": ("keys.cerby", "keys.delivery"),
    "cryptography": ("keys.crypto", "keys.tlog", "keys.verifier"),
}
INSIDE_A_FUNCTION = {
    (
        "keys.apps",
        "keys.checks",
    ): "checks register themselves when Django is ready, not when it loads the app",
    (
        "sandbox.launcher.prepare",
        "sandbox.launcher.seed_demo",
    ): "it imports models, which Django must have set up before",
}
LAUNCHER = "sandbox.launcher"
"""The part of the sandbox that starts the portal. It knows the portal; the imitation of Cerby does not."""


LOOSE = {
    "keys.actions": {"circuit_breaker", "dropped", "transition"},
    "keys.selectors": {"counts", "help", "people", "people_list"},
}
"""The modules beside the features' folders. Several features use them, or they are about no feature."""


def imported(nodes: Iterable[ast.AST], modules: Collection[str]) -> set[str]:
    """Return what ``nodes`` import. ``from a import b`` imports ``a.b`` if that is one of ``modules``."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno} imports relatively"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in modules else str(node.module) for name in names}
        if isinstance(node, ast.Call):
            assert not _imports_by_name(node.func), f"line {node.lineno} imports by name"
    return found


def _imports_by_name(function: ast.expr) -> bool:
    name = getattr(function, "attr", None) or getattr(function, "id", None)  # of a.b.c or c
    return name in {"import_module", "import_string", "__import__"}


def inside_functions(module: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from ast.walk(node)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def imports(module: str) -> set[str]:
    return imported(ast.walk(tree(module)), MODULES)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer(module: str) -> tuple[int, str]:
    """Return the layer's number and the folder of ``module``."""
    for number, folders in enumerate(LAYERS):
        for folder in folders:
            if within(module, folder):
                return number, folder
    raise AssertionError(f"{module} has no place in LAYERS")


def points_down(module: str, other: str) -> bool:
    """Return whether ``module`` may import ``other``: from its own folder, or from a lower layer."""
    (number, folder), (below, other_folder) = layer(module), layer(other)
    return below > number or other_folder == folder


def own_imports(module: str) -> set[str]:
    return {name for name in imports(module) if name in MODULES and name != module}


LAYERED = sorted(name for name in MODULES if within(name, "keys") and name != "keys")


@in_one_test("module", LAYERED)
def test_imports_point_down(module):
    assert layer(module)
    others = {name for name in own_imports(module) if within(name, "keys")}
    assert {name for name in others if not points_down(module, name)} == set()


@in_one_test(
    "module, other, may",
    [
        ("keys.actions.keys.issue", "keys.selectors.key.page", True),
        ("keys.actions.keys.issue", "keys.actions.transition", True),
        ("keys.selectors.key.page", "keys.actions.keys.issue", False),
        ("keys.selectors.key.page", "keys.forms.audit", False),  # the same layer, another folder
        ("keys.rules.permissions", "keys.models", False),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(module, other, may):
    assert points_down(module, other) is may


@in_one_test(
    "source, found",
    [
        ("import a.b", {"a.b"}),
        ("from a import b", {"a.b"}),
        ("from a import Name", {"a"}),
        ("from a import b, Name", {"a.b", "a"}),
        ("if TYPE_CHECKING:\n    from a import b", {"a.b"}),
        ("def function():\n    from a import b", {"a.b"}),
    ],
)
def test_every_form_of_an_import_is_found(source, found):
    assert imported(ast.walk(ast.parse(source)), {"a", "a.b"}) == found


@in_one_test(
    "source", ["from . import a", "importlib.import_module('a')", "__import__('a')", "import_string('a.b')"]
)
def test_relative_imports_and_imports_by_name_are_refused(source):
    with pytest.raises(AssertionError, match="imports"):
        imported(ast.walk(ast.parse(source)), {"a"})


@in_one_test("part", LOOSE)
def test_a_feature_has_its_own_folder(part):
    loose = {module.rpartition(".")[2] for module in MODULES if module.rpartition(".")[0] == part}
    folders = {module.split(".")[2] for module in MODULES if within(module, part) and module.count(".") > 2}
    assert loose - folders == LOOSE[part]


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


@in_one_test("part", ["keys.actions", "keys.selectors"])
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


@in_one_test("module", IMPORT_NOTHING_OF_KEYS)
def test_settings_and_vocabulary_import_nothing_from_keys(module):
    assert not {name for name in imports(module) if within(name, "keys")}


@in_one_test("library, places", ONLY_IMPORTERS.items())
def test_each_library_has_its_places(library, places):
    importers = {
        module
        for module in MODULES
        if not within(module, "sandbox") and any(within(name, library) for name in imports(module))
    }
    assert importers
    assert not {module for module in importers if not any(within(module, place) for place in places)}


@in_one_test(
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
        "portal.second_factor",  # it is middleware
        "portal.sessions",  # it has middleware, too
        "portal.urls",
        "portal.wsgi",  # it runs the checks
    }


def public_functions(module: str) -> set[str]:
    functions = (
        node for node in tree(module).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {function.name for function in functions if not function.name.startswith("_")}


SAME_MEANING: dict[str, str] = {}
"""Public functions that two modules of one layer may both have, because they mean the same; with the reason."""


@in_one_test("number", range(len(LAYERS)))
def test_no_two_public_functions_of_a_layer_share_a_name(number):
    seen: dict[str, list[str]] = {}
    for module in LAYERED:
        if layer(module)[0] == number:
            for name in public_functions(module):
                seen.setdefault(name, []).append(module)
    shared = {name: modules for name, modules in seen.items() if len(modules) > 1}
    assert {name: modules for name, modules in shared.items() if name not in SAME_MEANING} == {}


def test_no_import_hides_in_a_function():
    hidden = set()
    for module in MODULES:
        names = imported(inside_functions(tree(module)), MODULES)
        hidden |= {(module, name) for name in names}
    assert hidden == INSIDE_A_FUNCTION.keys()


@in_one_test(
    "source",
    ["def f():\n    import a", "async def f():\n    import a", "class C:\n    def f(self): import a"],
)
def test_an_import_in_a_function_is_found(source):
    """The known-bad control."""
    assert imported(inside_functions(ast.parse(source)), {"a"}) == {"a"}
