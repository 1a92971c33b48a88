"""gunicorn and the worker refuse each configuration that ``manage.py check --deploy`` refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.test_configuration import PRODUCTION, environment  # noqa: F401 - a fixture

REFUSED: list[tuple[dict[str, str | None], list[str]]] = [
    (  # found when the settings are read
        {"CERBY_WORKSPACE": None},
        ["CERBY_WORKSPACE must be set in production."],
    ),
    (  # found by the system checks
        {
            "PORTAL_EMAIL_URL": None,
            "PORTAL_URL": "http://keys.example.com",
            "CERBY_BASE_URL": "http://127.0.0.1:8001",
        },
        [
            "PORTAL_EMAIL_URL must be set in production",
            "it must begin with https://",
            "a sandbox, but PORTAL_ENV is production",
        ],
    ),
]
COMMANDS = {
    "gunicorn": [
        "-m", "gunicorn", "--config", "portal/gunicorn.conf.py", "--bind", "127.0.0.1:0", "portal.wsgi",
    ],
    "the worker": ["manage.py", "worker"],
    "check": ["manage.py", "check", "--deploy"],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("wrong", "sentences"), REFUSED, ids=["settings", "checks"])
def test_gunicorn_and_the_worker_refuse_each_configuration_that_the_checks_refuse(
    environment,  # noqa: F811
    wrong,
    sentences,
    command,
):
    good = PRODUCTION | {"PORTAL_EMAIL_URL": "smtp://mail.example.com:25"}
    environment(DJANGO_SETTINGS_MODULE="portal.settings", **good | wrong)
    ended = subprocess.run(
        [sys.executable, *COMMANDS[command]], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 1
    assert [sentence for sentence in sentences if sentence not in ended.stderr] == []
    assert "Traceback" not in ended.stderr
