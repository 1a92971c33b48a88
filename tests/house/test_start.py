"""gunicorn and the worker refuse each configuration that ``manage.py check --deploy`` refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.test_configuration import PRODUCTION, environment  # noqa: F401 - a fixture

REFUSED: dict[str, dict[str, str | None]] = {
    "CERBY_WORKSPACE must be set in production.": {"CERBY_WORKSPACE": None},
    "PORTAL_EMAIL_URL must be set in production": {"PORTAL_EMAIL_URL": None},
    "it must begin with https://": {"PORTAL_URL": "http://keys.example.com"},
    "a sandbox, but PORTAL_ENV is production": {"CERBY_BASE_URL": "http://127.0.0.1:8001"},
}
GUNICORN = ["-m", "gunicorn", "--config", "portal/gunicorn.conf.py", "--bind", "127.0.0.1:0", "portal.wsgi"]


@pytest.mark.parametrize("command", [GUNICORN, ["manage.py", "worker"]], ids=["gunicorn", "worker"])
@pytest.mark.parametrize("sentence", REFUSED)
def test_gunicorn_and_the_worker_refuse_each_configuration_that_the_checks_refuse(
    environment,  # noqa: F811
    sentence,
    command,
):
    good = PRODUCTION | {"PORTAL_EMAIL_URL": "smtp://mail.example.com:25"}
    environment(DJANGO_SETTINGS_MODULE="portal.settings", **good | REFUSED[sentence])
    for one in (command, ["manage.py", "check", "--deploy"]):
        ended = subprocess.run(
            [sys.executable, *one], capture_output=True, text=True, check=False, timeout=120
        )
        assert ended.returncode == 1
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr
