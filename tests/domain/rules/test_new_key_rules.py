"""The rules for new keys, and the sentences for the broken ones."""

from __future__ import annotations

import unicodedata
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as portal
from hypothesis import given
from hypothesis import strategies as st

from keys.rules.errors import Invalid
from keys.rules.lifecycle import State
from keys.rules.scopes import EXTRA, PUBLISHED
from keys.validation import new_key
from keys.validation.new_key import KeyRequest
from keys.validation.text import tidy
from tests.cast import a_key
from tests.support.cases import in_one_test

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PUBLISHED_IDS = [scope.id for scope in PUBLISHED]
EXTRA_IDS = [scope.id for scope in EXTRA]

visible = st.characters(exclude_categories=["C", "Zl", "Zp"])
invisible = st.characters(categories=["Cc", "Cf", "Co", "Cn", "Zl", "Zp"])


def a_request(**changes: object) -> KeyRequest:
    asked: dict[str, Any] = {
        "id": uuid.uuid4(),
        "name": "Nightly export",
        "purpose": "To test with.",
        "expires_at": NOW + timedelta(days=5),
        "scopes": ("read:users",),
        "tab_key": b"",
    }
    return KeyRequest(**asked | changes)


def refusal(**changes: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        new_key.check_request(a_request(**changes), NOW)
    return caught.value.fields


def test_a_sensible_request_passes(db):
    new_key.check_request(a_request(), NOW)


@in_one_test("blank", ["", " ", "\t\n", "\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"])
@in_one_test(
    "field, sentence",
    [
        ("name", "The name is missing. Enter 1 to 100 characters."),
        ("purpose", "The purpose is missing. Enter 1 to 500 characters."),
    ],
)
def test_a_missing_field_is_named(db, field, sentence, blank):
    assert refusal(**{field: blank}) == {field: sentence}


@pytest.mark.parametrize(("field", "longest"), [("name", 100), ("purpose", 500)])
def test_a_text_has_a_maximum_length(db, field, longest):
    new_key.check_request(a_request(**{field: "ä" * longest}), NOW)
    sentence = refusal(**{field: "ä" * 10_000})[field]
    assert "has 10,000 characters" in sentence
    assert f"{longest} are allowed" in sentence
    assert refusal(**{field: "ä" * (longest + 1)}).keys() == {field}


@given(before=visible, character=invisible, after=visible)
def test_a_purpose_contains_no_invisible_character(before, character, after):
    with pytest.raises(Invalid, match="Check what you entered") as caught:
        new_key.check_purpose(f"{before}x{character}x{after}")
    assert "invisible character" in caught.value.fields["purpose"]


@given(st.text(visible, min_size=1, max_size=500).filter(str.strip))
def test_any_other_text_may_be_a_purpose(text):
    new_key.check_purpose(text)


@in_one_test(
    "name",
    [
        "Nightly\nexport",
        "Nightly\0export",
        "Nightly\N{RIGHT-TO-LEFT OVERRIDE}export",
        "Nightly\N{ZERO WIDTH SPACE}export",
        "Nightly\N{BOM}export",
        "Nightly\ud800export",
        "Nightly\N{LINE SEPARATOR}export",
    ],
)
def test_a_name_cannot_look_like_another_because_of_invisible_characters(db, name):
    assert refusal(name=name).keys() == {"name"}


@in_one_test("again", ["Nightly export", "NIGHTLY EXPORT", "nightly Export"])
def test_a_name_is_unique_regardless_of_case(cast, again):
    key = a_key(cast.owner, name="Nightly export")
    sentence = refusal(name=again)["name"]
    assert f"There is already a key called “{again}”" in sentence
    new_key.check_name(again, key.id)  # the same request, sent twice


def test_the_name_of_a_removed_key_may_be_used_again(cast):
    a_key(cast.owner, name="Nightly export", state=State.REVOKED, removed_at=NOW)
    new_key.check_name("Nightly export")


@given(st.text(max_size=50))
def test_tidying_a_name_twice_changes_nothing(name):
    once = tidy(name)
    assert tidy(once) == once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "Cafe\N{COMBINING ACUTE ACCENT}"),
        ("Nightly export", "Nightly\N{NO-BREAK SPACE}export"),
        ("Nightly export", "  Nightly export\N{EM SPACE}"),
    ],
)
def test_names_that_look_equal_become_equal(one, other):
    assert tidy(one) == tidy(other)


@in_one_test(
    "life, words",
    [
        (timedelta(0), "in the past"),
        (-timedelta(days=900), "in the past"),
        (timedelta(microseconds=1), "at least 30 minutes"),
        (timedelta(minutes=30, microseconds=-1), "at least 30 minutes"),
        (timedelta(days=365, microseconds=1), "at most 365 days"),
        (timedelta(days=365 * 900), "at most 365 days"),
    ],
)
def test_the_error_for_a_lifetime_names_the_limit(db, settings, life, words):
    settings.PORTAL_MAX_LIFETIME_DAYS = 365
    assert words in refusal(expires_at=NOW + life)["expiration"]


@given(
    st.timedeltas(min_value=timedelta(minutes=30), max_value=timedelta(days=portal.PORTAL_MAX_LIFETIME_DAYS))
)
def test_any_lifetime_within_the_limits_is_allowed(life):
    new_key.check_expiry(NOW + life, NOW)


def test_the_maximum_lifetime_is_a_setting(settings):
    settings.PORTAL_MAX_LIFETIME_DAYS = 7
    new_key.check_expiry(NOW + timedelta(days=7), NOW)
    with pytest.raises(Invalid) as caught:
        new_key.check_expiry(NOW + timedelta(days=7, seconds=1), NOW)
    assert "at most 7 days" in caught.value.fields["expiration"]


def test_a_key_needs_at_least_one_scope(db):
    assert refusal(scopes=()) == {"scopes": "Select at least one scope."}


@in_one_test("scope", ["read:everything", "READ:USERS", "", " read:users", "<script>", "a" * 10_000])
def test_an_unavailable_scope_is_named_in_a_short_sentence(db, scope):
    sentence = refusal(scopes=("read:users", scope))["scopes"]
    assert f"“{scope[:60]}”" in sentence
    assert len(sentence) < 150


@given(st.sets(st.sampled_from(PUBLISHED_IDS), min_size=1))
def test_the_nine_published_scopes_are_always_available(scopes):
    new_key.check_scopes(scopes)


@pytest.mark.parametrize("scope", EXTRA_IDS)
def test_the_other_scopes_are_a_setting(settings, scope):
    settings.PORTAL_EXTRA_SCOPES = True
    new_key.check_scopes([scope])
    settings.PORTAL_EXTRA_SCOPES = False
    with pytest.raises(Invalid):
        new_key.check_scopes([scope])
