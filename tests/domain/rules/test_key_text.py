"""Find keys of any format within other text."""

from __future__ import annotations

import itertools
import random
import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.rules.errors import Invalid
from keys.rules.key_text import candidates_in, check_key_text, decoded
from tests.support.cases import in_one_test

KEY = "sbx_kZ3-9xQ_aa71bCdEfGhIjKlMnOpQrStUvWxYz012345"
PADDED = "q83vEjRWeJq8EjRWeJq8EjRWeA=="
DOTTED = "eyJhbGciOi.eyJzdWIiOi-x.SflKxwRJSMeKKF2QT4"
ODD = "k!3y$with*odd@signs#and%more^than&that"


def candidates(text: str) -> set[str]:
    return set(candidates_in([text]))


@in_one_test("key", [KEY, PADDED, DOTTED, ODD])
@in_one_test(
    "text",
    [
        "{}",
        "  {}\r\n",
        "X-API-Key: {}",
        'curl -H "X-API-Key: {}" https://w.example',
        "'{}',",
        '{{"key":"{}"}}',
        "({})",
        "<{}>",
        "`{}`",
        "The key is {} and it leaked",
    ],
)
def test_a_key_is_found_in_pasted_text(key, text):
    assert key in candidates(text.format(key))


NEXT_TO_PUNCTUATION = ["API_KEY={}", "https://w.example/?key={}&x=1", "I lost {}.", "key:{}", "a={};b"]


@in_one_test(
    "key, text",
    [(key, text) for key in (KEY, DOTTED) for text in NEXT_TO_PUNCTUATION]
    + [(KEY, "https://w.example/{}/x?y")],
)
def test_a_key_is_found_next_to_characters_that_keys_may_contain(key, text):
    assert key in candidates(text.format(key))


def test_only_text_of_a_keys_length_is_a_candidate():
    assert candidates("a" * 19) == set()
    assert candidates("a" * 20) == {"a" * 20}
    assert "a" * 201 not in candidates(f"x {'a' * 201} y")
    assert candidates(f"x {'a' * 200} y") >= {"a" * 200}
    assert candidates("") == set()


def test_a_text_that_is_too_long_is_no_candidate():
    assert len(candidates("prefix " + "A" * 2_000_000)) == 0


@given(
    st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=20, max_size=200), st.integers()
)
def test_any_token_is_found(token, seed):
    around = random.Random(seed).choice(["{}", "a {} b", "x={}\n", '"{}"'])
    assert token in candidates(around.format(token))


@in_one_test("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_key_is_found_in_a_file_of_any_encoding(encoding):
    content = f"Schlüssel: {KEY}\n".encode(encoding)
    assert KEY in set(candidates_in(decoded([content])))
    assert KEY in set(candidates_in(decoded([content[:9], content[9:24], content[24:]])))


LONG_RUNS = [
    "{}", " {} ", "ab/cd.ef" * 1200 + "?key={}&" + "z%20" * 3000, "x" * 9000 + "/{}/" + "y" * 9000, "=" * 5000 + "&k={}",
]  # fmt: skip


@in_one_test("around", LONG_RUNS)
@in_one_test("key", [KEY, DOTTED])
@in_one_test("size", [1, 7, 4096, 5000])
def test_a_key_is_found_wherever_a_chunk_ends(around, key, size):
    text = around.format(key)
    chunks = (
        [text[start : start + size] for start in range(0, len(text), size)]
        if size > 1
        else list(text[-1000:])
    )
    if key in candidates(text) and key in "".join(chunks):
        assert key in set(candidates_in(chunks))


@given(st.text(alphabet="ab@.=/ -", max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_chunks_change_no_candidate(text, cuts):
    ends = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = [text[start:end] for start, end in itertools.pairwise(ends)]
    assert set(candidates_in(chunks)) == candidates(text)


def test_memory_does_not_grow_with_the_text():
    """Known-bad control: a list of the candidates of these 4 MB takes 10 MB."""
    chunks = ("".join(f"{number:030x} " for number in range(8_000)) for _ in range(16))
    tracemalloc.start()
    assert sum(1 for _ in candidates_in(chunks)) == 128_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@in_one_test(
    "wrong", ["", "   ", "short", "a" * 4097, f"{KEY} {KEY}", f"{KEY}\n{KEY}", "ключ" * 10, f"{KEY}\x00"]
)
def test_the_error_about_an_invalid_key_does_not_contain_it(wrong):
    with pytest.raises(Invalid) as caught:
        check_key_text(wrong)
    [sentence] = caught.value.fields.values()
    assert sentence.endswith(".")
    assert not wrong.strip() or wrong.strip() not in sentence


def test_white_space_around_a_key_is_ignored():
    assert check_key_text(f" {KEY}\r\n") == KEY
