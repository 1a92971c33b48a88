"""Test the client that the settings configure."""

import pytest
from django.test import override_settings

from keys import cerby

SOMEWHERE = {"CERBY_BASE_URL": "https://one.cerby.com", "CERBY_TOKEN": "tok-1", "CERBY_API_KEY": ""}


def test_the_same_settings_give_the_same_client():
    with override_settings(**SOMEWHERE):
        first = cerby.connect()
        assert cerby.connect() is first
        assert repr(first) == "CerbyClient('https://one.cerby.com')"


@pytest.mark.parametrize(
    "change",
    [{"CERBY_BASE_URL": "https://two.cerby.com"}, {"CERBY_TOKEN": "tok-2"}, {"CERBY_API_KEY": "key-1"}],
)
def test_different_settings_give_a_different_client(change):
    with override_settings(**SOMEWHERE):
        first = cerby.connect()
    with override_settings(**SOMEWHERE | change):
        assert cerby.connect() is not first


def test_unusable_settings_raise_an_error():
    with (
        override_settings(**SOMEWHERE | {"CERBY_BASE_URL": "http://one.cerby.com"}),
        pytest.raises(ValueError, match="https://"),
    ):
        cerby.connect()
