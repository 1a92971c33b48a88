"""The settings of the portal's own credentials for Cerby."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keys.checks import cerby_can_be_asked
from portal import conf
from tests.house.test_configuration import PRODUCTION, environment, production  # noqa: F401 - fixtures


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T14:05", datetime(2027, 1, 31, 14, 5, tzinfo=UTC)),
        ("2027-01-31T14:05+01:00", datetime(2027, 1, 31, 13, 5, tzinfo=UTC)),
    ],
)
def test_the_expiry_of_the_api_key_is_a_date_or_a_time(environment, value, meant):  # noqa: F811
    environment(**PRODUCTION | {"CERBY_API_KEY_EXPIRES": value})
    assert conf.read().cerby_api_key_expires == meant


def test_a_credential_in_a_file_names_the_file(environment, tmp_path):  # noqa: F811
    file = tmp_path / "api-key"
    file.write_text("CANARY-key\n")
    environment(**PRODUCTION | {"CERBY_API_KEY": None, "CERBY_API_KEY_FILE": str(file)})
    config = conf.read()
    assert (config.cerby_api_key, config.cerby_api_key_file) == ("CANARY-key", file)
    assert config.cerby_token_file is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CERBY_BASE_URL", "my-workspace.cerby.com"),
        ("CERBY_BASE_URL", "http://my-workspace.cerby.com"),
        ("CERBY_API_KEY", "two words"),
        ("CERBY_TOKEN", "münchen"),
    ],
)
def test_what_cannot_be_used_for_a_request_is_said_at_the_start(production, name, value):  # noqa: F811
    production.CERBY_TOKEN_FILE = production.CERBY_API_KEY_FILE = None
    assert cerby_can_be_asked() == []
    setattr(production, name, value)
    (message,) = cerby_can_be_asked()
    assert message.id == "keys.E006"
    assert name in message.msg
