"""Test the search field of the page API keys: where it looks, and which texts count as equal."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import quote
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection

from keys.models import ApiKey, KeyScope, SearchDocument
from keys.rules.folded_text import fold
from keys.rules.lifecycle import State
from tests.cast import a_key
from tests.pages.helpers import many_keys, names
from tests.support.cases import in_one_test

KEY_ID, CERBY_ID = UUID("0f5c1d3e-9a8b-4c7d-8e6f-a1b2c3d4e5f6"), UUID("7e57c0de-1234-4abc-9def-0123456789ab")


def wide(text: str) -> str:
    """Return ``text`` in full width, as Japanese keyboards write it."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def some_keys(cast):
    a_key(
        cast.owner,
        pk=KEY_ID,
        cerby_id=CERBY_ID,
        name="BigQuery connector",
        purpose="Copies the Straße table each night.",
        scopes=["read:items:secrets", "write:users"],
        last_four="x9Qz",
        team="Zürich Data",
        system="Airflow",
        tags=["pci", "büro"],
    )
    a_key(cast.admin, name="東日本 営業", purpose="HR-Daten", scopes=["read:teams"])
    a_key(
        cast.admin, name="Cafe\N{COMBINING ACUTE ACCENT} Munich 2", purpose=wide("Full") + " width", scopes=[]
    )
    a_key(cast.admin, name="Big Table", purpose="می\N{ZERO WIDTH NON-JOINER}خواهم", scopes=[])


BIG, JAPAN, CAFE, TABLE = (
    "BigQuery connector",
    "東日本 営業",
    "Cafe\N{COMBINING ACUTE ACCENT} Munich 2",
    "Big Table",
)


@in_one_test(
    "typed, found",
    [
        ("big query", {BIG}),
        ("query big", {BIG}),
        ("big-query", {BIG}),
        ("bigtable", {TABLE}),
        ("straße", {BIG}),
        ("STRASSE", {BIG}),
        ("x9qz", {BIG}),
        ("zürich", {BIG}),
        ("Zu\N{COMBINING DIAERESIS}rich", {BIG}),
        ("airflow", {BIG}),
        ("PCI", {BIG}),
        ("BÜRO", {BIG}),
        ("read:items:secrets", {BIG}),
        ("write users", {BIG}),
        ("read teams", {JAPAN}),
        (str(KEY_ID), {BIG}),
        (str(CERBY_ID).upper(), {BIG}),
        (CERBY_ID.hex[:12], {BIG}),
        (str(KEY_ID)[:8], {BIG}),
        (str(KEY_ID)[:7], set()),
        ("日本", {JAPAN}),
        ("営業", {JAPAN}),
        ("本営", {JAPAN}),
        ("日本 営業", {JAPAN}),
        ("hr", {JAPAN}),
        ("hr daten", {JAPAN}),
        ("ig", set()),
        ("CAFÉ", {CAFE}),
        ("munich 2", {CAFE}),
        ("munich 3", set()),
        ("full", {CAFE}),
        (wide("munich"), {CAFE}),
        ("میخواهم", {TABLE}),
        ("connector owner@contenzilla.example", {BIG}),
        ("connector admin@contenzilla.example", set()),
    ],
)
def test_a_search_finds_exactly(admin, some_keys, typed, found):
    assert set(names(admin.get(f"/keys/?q={quote(typed)}"))) == found
    with_another_filter = admin.get(f"/keys/?q={quote(typed)}&status=active&sort=name")
    assert set(names(with_another_filter)) == found


def test_a_common_word_of_two_letters_fills_its_pages(admin, cast):
    many_keys(cast.owner, 60, name="HR robot")
    assert len(names(admin.get("/keys/?q=hr"))) == 50


def test_the_search_follows_every_text_of_a_key(admin, cast):
    key = a_key(cast.owner, name="Robot", purpose="", origin="discovered")
    changes = {
        "name": "Ångström",
        "purpose": "STRASSE",
        "team": "Größe",
        "system": "Kaffee",
        "last_four": "zz99",
        "tags": ["kürbis"],
        "scopes": ["read:vaults"],
    }
    ApiKey.objects.filter(pk=key.pk).update(**changes)
    for typed in ("ångström", "straße", "GRÖSSE", "kaffee", "zz99", "KÜRBIS", "read:vaults"):
        assert names(admin.get(f"/keys/?q={quote(typed)}")) == ["Ångström"], typed


@in_one_test(
    "one, other",
    [
        ("STRASSE", "Straße"),
        ("Cafe\N{COMBINING ACUTE ACCENT}", "café"),
        (wide("ABC"), "abc"),
        ("ﬁn", "FIN"),
        ("a\N{ZERO WIDTH JOINER}b", "ab"),
        ("❤\N{VARIATION SELECTOR-16}", "❤"),
        ("ΣΑΣ", "σας"),
        ("İ", "i\N{COMBINING DOT ABOVE}"),
        (" Nightly   export\t", "nightly export"),
        ("Nightly\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH SPACE} export", "Nightly export"),
        ("Nightly\N{BRAILLE PATTERN BLANK}ex\N{HANGUL FILLER}port", "Nightly export"),
    ],
)
def test_texts_that_people_read_as_the_same_are_equal(one, other):
    assert fold(one) == fold(other)
    assert fold(fold(one)) == fold(one)


def test_a_folded_text_fits_into_its_column():
    assert len(fold("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 100)) == 300


def test_the_migration_folds_and_indexes_the_keys_that_exist(cast):
    migration = import_module("keys.migrations.0017_search_text")
    first, second = a_key(cast.owner, name="Café"), a_key(cast.owner, name=wide("A1"), purpose="ﬁn")
    twin = a_key(cast.owner, name="a1", state=State.REVOKED, removed_at=second.created_at)
    ApiKey.objects.filter(pk=twin.pk).update(state=State.HELD, removed_at=None, name_order=wide("a1"))
    ApiKey.objects.filter(pk=first.pk).update(name_order="cafe\N{COMBINING ACUTE ACCENT}", purpose_order="")
    ApiKey.objects.filter(pk=second.pk).update(purpose_order="")
    SearchDocument.objects.update(text="old")
    KeyScope.objects.filter(scope="write").delete()

    migration.fold_again(apps, None)
    sqlite, postgresql = migration.SQLITE_DOCUMENTS, [migration.POSTGRESQL_DOCUMENTS]
    with connection.cursor() as cursor:
        for sql in {"sqlite": sqlite, "postgresql": postgresql}[connection.vendor]:
            cursor.execute(sql)

    assert ApiKey.objects.get(pk=first.pk).name_order == "café"
    assert {ApiKey.objects.get(pk=key.pk).name_order for key in (second, twin)} == {"a1", wide("a1")}
    assert ApiKey.objects.get(pk=second.pk).purpose_order == "fin"
    assert sorted(SearchDocument.objects.filter(text__contains="fin").values_list("key_id", flat=True)) == [
        second.pk
    ]


@in_one_test(
    "letters, length",
    [("ab ", 402), ("กขa ", 1), ("กขa ", 199), ("中文 b", 200), ("\N{GRINNING FACE}é ", 401)],
)
def test_a_long_text_is_indexed_as_before(cast, letters, length):
    """Migration 0029 computes the texts and trigrams of migration 0017 in another way."""
    name = (letters * length)[:length]
    key = a_key(cast.owner, name="K", scopes=[name, "read:users"])
    before = import_module("keys.migrations.0017_search_text")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"SELECT {before.sqlite_text('keys_apikey')} FROM keys_apikey")
            [(text,)] = cursor.fetchall()
        else:
            cursor.execute(before.POSTGRESQL_TEXT.replace("keys_search_text", "earlier_text"))
            call = before.postgresql_text("keys_apikey").replace("keys_search_text", "earlier_text")
            cursor.execute(
                f"SELECT {call}, keys_trigrams(text) = ARRAY(SELECT DISTINCT substr(text, place, 3) "
                "FROM generate_series(1, length(text) - 2) AS place ORDER BY 1) "
                "FROM keys_apikey JOIN keys_search_document ON key_id = keys_apikey.id"
            )
            [(text, has_all_trigrams)] = cursor.fetchall()
            assert has_all_trigrams
    assert SearchDocument.objects.get(key=key).text == text
