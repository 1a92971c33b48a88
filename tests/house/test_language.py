"""Docstrings, comments, docs and pages are written in plain English, measured by words and phrases.

A private style avoids "if" and overuses "where" and "what". In the docstrings and comments of six comparable
projects, 1,000 words contain 8.5 to 16.9 "if", 0.5 to 1.9 "where" and 0 to 0.9 "what". The limits are wider,
because they should detect a style and not judge a sentence. A single page or folder may exceed them a little.

Some phrases are refused everywhere, because each has a plain word.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from functools import cache

import pytest

from tests.house.project import texts

PATTERNS = {"code": ("*.py",), "docs": ("*.md",)}
LEAST_IF = {"code": 5.0, "docs": 4.0}  # per 1,000 words; the docs have many tables
MOST = {"where": 3.0, "what": 4.0}
MOST_IN_ONE_PART = {"where": 6.0, "what": 8.0}
FEWEST_WORDS = 250
"""A smaller part is too short to be measured."""
WRITTEN_BY_DJANGO = "keys/migrations/0001_initial.py"

REFUSED = {
    "whoever": "the person who",
    "that which": "what, or the noun",
    "of its own": "its own, or separate",
    "of their own": "their own",
    "what should not": "the noun",
    "on your word": "because you said so",
    "look among": "search",
    "unwanted mail": "the spam folder",
    "ends in:": "the last four characters",
    "e-mail": "email",
    "e-mails": "emails",
    "api-key portal": "Cerby Key Portal",
}
"""Phrases in lower case, each with a plainer one."""
WITH_PROSE = ("*.py", "*.md", "*.html", "*.txt", "*.js", "*.css", "*.toml", "Makefile", ".ci/*")


def docstrings(text: str) -> list[str]:
    """Return all strings that are statements: docstrings, and the strings below constants and fields."""
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    values = (node.value.value for node in statements if isinstance(node.value, ast.Constant))
    return [value for value in values if isinstance(value, str)]


def comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string.lstrip("#") for token in tokens if token.type == tokenize.COMMENT]


@cache
def prose(path: str, text: str) -> str:
    return text if path.endswith(".md") else "\n".join([*docstrings(text), *comments(text)])


def per_thousand(text: str) -> dict[str, float]:
    words = re.findall(r"[a-z']+", text.lower())
    counts = Counter(words)
    return {word: 1000 * counts[word] / len(words) for word in ("if", *MOST)}


@pytest.mark.parametrize("kind", PATTERNS)
def test_the_prose_is_plain_english(kind):
    files = {path: prose(path, text) for path, text in texts(*PATTERNS[kind]).items()}
    files.pop(WRITTEN_BY_DJANGO, None)
    found = per_thousand("\n".join(files.values()))
    assert found["if"] >= LEAST_IF[kind]
    assert {word: found[word] for word, most in MOST.items() if found[word] > most} == {}


def test_words_are_counted_in_docstrings_and_comments_only():
    module = '"""If so, where?"""\nIF = 1  # if not, what?\n"""If ever."""\nprint("if if if")\n'
    found = per_thousand(prose("module.py", module))
    assert found == pytest.approx({"if": 375, "where": 125, "what": 125})


def parts(files: dict[str, str]) -> dict[str, str]:
    """Return the prose of each page, and of each folder of code, such as keys/actions."""
    found: dict[str, str] = {}
    for path, text in files.items():
        part = path if path.endswith(".md") else "/".join(path.split("/")[:-1][:2])
        found[part] = f"{found.get(part, '')}\n{text}"
    return {part: text for part, text in found.items() if len(text.split()) >= FEWEST_WORDS}


def test_no_page_or_folder_has_a_private_style():
    files = {path: prose(path, text) for path, text in texts("*.py", "*.md").items()}
    found = {part: per_thousand(text) for part, text in parts(files).items()}
    assert "docs/glossary.md" in found
    assert "keys/actions" in found
    limits = MOST_IN_ONE_PART.items()
    assert {
        part for part, rates in found.items() if any(rates[word] > most for word, most in limits)
    } == set()


def refused(text: str) -> set[str]:
    """Return the refused phrases in ``text``, also those that a line break divides."""
    line = re.sub(r"[\s#*/\"']+", " ", text.lower())
    return {phrase for phrase in REFUSED if re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", line)}


def test_no_phrase_is_a_riddle():
    files = texts(*WITH_PROSE)
    del files["tests/house/test_language.py"]
    found = {path: refused(text) for path, text in files.items() if not path.startswith("static/vendor/")}
    assert {path: phrases for path, phrases in found.items() if phrases} == {}


def test_bad_prose_is_found():
    """The known-bad control."""
    assert refused("# For whoever\n# reads its E-mail.") == {"whoever", "e-mail"}
    riddles = {"docs/a.md": "what was where it was not " * 100, "docs/b.md": "if it was so, do it " * 100}
    rates = {part: per_thousand(text) for part, text in parts(riddles).items()}
    assert rates["docs/a.md"]["what"] > MOST_IN_ONE_PART["what"]
    assert rates["docs/b.md"]["what"] == 0
