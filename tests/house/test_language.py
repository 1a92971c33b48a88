"""Docstrings, comments and docs are written in plain English, measured by three words.

A private style avoids "if" and overuses "where" and "what". In the docstrings and comments of six comparable
projects, 1,000 words contain 8.5 to 16.9 "if", 0.5 to 1.9 "where" and 0 to 0.9 "what". The limits are wider,
because they should detect a style and not judge a sentence.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter

import pytest

from tests.house.project import texts

PATTERNS = {"code": ("*.py",), "docs": ("*.md",)}
LEAST_IF = {"code": 5.0, "docs": 4.0}  # per 1,000 words; the docs have many tables
MOST = {"where": 3.0, "what": 4.0}
WRITTEN_BY_DJANGO = "keys/migrations/0001_initial.py"


def docstrings(text: str) -> list[str]:
    """Return all strings that are statements: docstrings, and the strings below constants and fields."""
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    values = (node.value.value for node in statements if isinstance(node.value, ast.Constant))
    return [value for value in values if isinstance(value, str)]


def comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string.lstrip("#") for token in tokens if token.type == tokenize.COMMENT]


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
