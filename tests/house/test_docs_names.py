"""Each name of the code that the documentation mentions exists.

A page can name a symbol in four ways, and each is checked:

- beside a link to its file, "`seal()` in [keys/crypto/seal.py](…)" or "[keys/crypto/seal.py](…): `seal()`"; that
  file must define it;
- as a dotted path, `keys.audit.log.append`; it must lead to a module or to a name in one;
- alone, `LIKE_THIS`, `like_this`, `LikeThis` or `called()`; the word must occur somewhere in the code;
- in a code block, `_like_this` or `actions.keys.claim`, which may leave out "keys.".

The text of a link to a file must be the end of that file's path.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.house.project import ROOT, texts
from tests.support.cases import in_one_test

PAGES = texts("*.md")

CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SYMBOL = re.compile(r"`([A-Za-z_]\w*(?:\.\w+)*)(?<!_)(?:\(\))?`")
CALL = re.compile(r"`([A-Za-z_][\w.]*)\(\)`")
SYMBOLS = r"`[^`]+`(?:(?:, and|,| and| or) `[^`]+`)*"
BEFORE_A_LINK = re.compile(rf"({SYMBOLS}) in \[[^\]]*\]\(([^)#\s]+)\)")
AFTER_A_LINK = re.compile(rf"\[[^\]]*\]\(([^)#\s]+)\):? ({SYMBOLS})")
LINK_TO_A_FILE = re.compile(r"\[`?([\w./-]+\.(?:py|js|html|css|md))`?\]\(([^)#\s]+)")
DOTTED_PATH = re.compile(r"(?:keys|portal|sandbox|tests|benchmarks)(?:\.[A-Za-z_]\w*)+")
IN_A_CODE_BLOCK = re.compile(r"(?<![\w./])(?:_[a-z]\w+|[a-z]\w*(?:\.\w+)+)")
LOOKS_LIKE_CODE = re.compile(r"\w*_\w*|\w*[a-z][A-Z]\w*")
"""Words with an underscore or an inner capital. Plain words in backticks are states, values and commands."""
NOT_A_MODULE = re.compile(r".*\.(?:csv|jsonl?|zip|sqlite3|offset|[EW]\d+)")
"""Data files, and the ids of Django's checks."""
NAMES_OF_OTHERS = {
    "keys_siemtarget": "the table of keys.models.SiemTarget, which Django names",
    "pg_restore": "PostgreSQL",
    "pg_trgm": "PostgreSQL",
    "reauthentication_required": "django-allauth",
    "createHmac": "Node",
    "timingSafeEqual": "Node",
    "suspend_request": "django-allauth",
    "support_js_module_import_aggregation": "Django",
}


@cache
def definitions(file: Path) -> frozenset[str]:
    """Return the names that a Python or JavaScript file defines; for Python also ``Class.member``."""
    text = file.read_text()
    if file.suffix == ".js":
        return frozenset(re.findall(r"\b(?:function|const|let|class)\s+(\w+)", text))
    tree = ast.parse(text)
    names = defined(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{member}" for member in defined(node)}
    return frozenset(names)


def defined(scope: ast.Module | ast.ClassDef) -> set[str]:
    """Return the functions, classes and variables of a module or class."""
    names = set()
    for node in scope.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names


def exists(dotted: str) -> bool:
    """Return whether a dotted path leads to a module or to a name in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place, rest = ROOT.joinpath(*parts[:length]), ".".join(parts[length:])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return not rest or rest in definitions(file)
    return False


@cache
def words_of_the_code() -> frozenset[str]:
    sources = texts("*.py", "*.js", "*.html", "*.toml")
    del sources[str(Path(__file__).relative_to(ROOT))]
    return frozenset(word for text in sources.values() for word in re.findall(r"\w+", text))


def is_unknown(name: str) -> bool:
    """Return whether a part of ``name`` looks like code and occurs nowhere in the code."""
    parts = {part for part in name.split(".") if LOOKS_LIKE_CODE.fullmatch(part)}
    return not parts <= words_of_the_code() | NAMES_OF_OTHERS.keys()


def wrong_beside_links(text: str, folder: Path) -> Iterator[str]:
    before = [(link, symbols) for symbols, link in BEFORE_A_LINK.findall(text)]
    for link, symbols in before + AFTER_A_LINK.findall(text):
        file = (folder / link).resolve()
        if file.suffix in {".py", ".js"} and file.is_file():
            yield from (
                f"{name} in {link}" for name in SYMBOL.findall(symbols) if name not in definitions(file)
            )


def wrong_in_backticks(text: str) -> Iterator[str]:
    for name in SYMBOL.findall(text):
        is_path = DOTTED_PATH.fullmatch(name) and not NOT_A_MODULE.fullmatch(name)
        if not exists(name) if is_path else is_unknown(name):
            yield name
    for name in CALL.findall(text):
        if not is_unknown(name) and name.rpartition(".")[2] not in words_of_the_code():
            yield name


def wrong_in_code_blocks(blocks: str) -> Iterator[str]:
    for name in IN_A_CODE_BLOCK.findall(blocks):
        in_keys = (ROOT / "keys" / name.partition(".")[0]).is_dir() and not NOT_A_MODULE.fullmatch(name)
        if not exists(f"keys.{name}") if in_keys else name.startswith("_") and is_unknown(name):
            yield name


def wrong_labels(text: str, folder: Path) -> Iterator[str]:
    for label, link in LINK_TO_A_FILE.findall(text):
        path = (folder / link).resolve().relative_to(ROOT)
        if not f"/{path}".endswith(f"/{label}"):
            yield f"[{label}]({link})"


def wrong_names(page: str, folder: Path) -> list[str]:
    """Return the names on a page in ``folder`` that the code does not have."""
    text = " ".join(CODE_BLOCK.sub("", page).split())
    return [
        *wrong_beside_links(text, folder),
        *wrong_in_backticks(text),
        *wrong_in_code_blocks(" ".join(CODE_BLOCK.findall(page))),
        *wrong_labels(text, folder),
    ]


@in_one_test("path", PAGES)
def test_the_code_has_every_name_that_a_page_mentions(path):
    assert wrong_names(PAGES[path], (ROOT / path).parent) == []


@in_one_test(
    "page, wrong",
    [
        ("`seal()` in [keys/crypto/seal.py](keys/crypto/seal.py)", []),
        ("`sael()` in [keys/crypto/seal.py](keys/crypto/seal.py)", ["sael in keys/crypto/seal.py", "sael"]),
        (
            "`seal`, `SIUTE` and `thumbprint` in\n[seal.py](keys/crypto/seal.py)",
            ["SIUTE in keys/crypto/seal.py"],
        ),
        ("[keys/audit/log.py](keys/audit/log.py): `insert()`", ["insert in keys/audit/log.py"]),
        ("[client.py](keys/cerby/client.py): `CerbyClient.issue_key()`", []),
        (
            "[client.py](keys/cerby/client.py): `CerbyClient.make()`",
            ["CerbyClient.make in keys/cerby/client.py"],
        ),
        (
            "`claimTwice` in [one-view.js](static/one-view.js)",
            ["claimTwice in static/one-view.js", "claimTwice"],
        ),
        ("`keys.audit.log.append` and `keys.audit`", []),
        ("`keys.audit.log.insert`", ["keys.audit.log.insert"]),
        ("`PORTAL_DATA_DIR`, `select_related()`", []),
        ("```\nbrowser -> _take_lease, views.store.store, https://keys.example.com\n```", []),
        ("```\nbrowser -> _take_leash, views.store.shop\n```", ["_take_leash", "views.store.shop"]),
        ("`_a_name_that_is_gone`", ["_a_name_that_is_gone"]),
        ("`seal()`, `frobnicatd()` and `frobnicatd`", ["frobnicatd"]),
        (
            "[actions/claim.py](keys/actions/keys/claim.py)",
            ["[actions/claim.py](keys/actions/keys/claim.py)"],
        ),
    ],
)
def test_a_wrong_name_is_found(page, wrong):
    """The known-bad control."""
    assert wrong_names(page, ROOT) == wrong
