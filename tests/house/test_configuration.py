"""The portal's environment variables: valid values, and one sentence for each error."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys

import certifi
import environ
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping
from hypothesis import given
from hypothesis import strategies as st

from keys.checks import production_is_configured, sandbox_is_not_production
from portal import conf, variables
from tests.house import sso_settings
from tests.house.project import texts

SECRETS = {
    "DATABASE_URL": "postgres://portal:CANARY-database@db.example.com:5432/portal?sslmode=require",
    "PORTAL_SECRET_KEY": "CANARY-secret-key-" * 3,
    "PORTAL_SECRET_KEY_FALLBACKS": "CANARY-older CANARY-oldest",
    "PORTAL_AUDIT_SIGNING_KEY": "ca" * 32,
    "PORTAL_PEPPERS": '{"p1": "' + "c0" * 32 + '"}',
    "PORTAL_EMAIL_URL": "smtp+tls://user:CANARY-mail@mail.example.com:587",
    "PORTAL_SIEM_TOKEN": "CANARY-siem-token",
    "PORTAL_OIDC_CLIENT_SECRET": "CANARY-oidc",
    "CERBY_TOKEN": "CANARY-token",
    "CERBY_API_KEY": "CANARY-api-key",
}
PRODUCTION = {
    "PORTAL_ENV": "production",
    "PORTAL_URL": "https://keys.example.com",
    "CERBY_BASE_URL": "https://my-workspace.cerby.com",
    "CERBY_WORKSPACE": "my-workspace",
    **SECRETS,
}


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Set exactly these variables and unset all others that the portal reads. None unsets one."""
    for name in list(os.environ):
        if name.startswith(("PORTAL_", "CERBY_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PORTAL_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(environ.FileAwareEnv, "ENVIRON", FileAwareMapping())  # it caches files

    def set_to(**values: str | None) -> None:
        for name, value in values.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return set_to


def sentence() -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.read()
    told = str(caught.value)
    assert "\n" not in told
    assert told.endswith((".", "…"))
    return told


def test_the_demo_needs_nothing_but_what_make_run_leaves(environment, tmp_path):
    (tmp_path / "sandbox").mkdir()
    for name, text in {
        "secret-key": "a secret key\n",
        "peppers.json": SECRETS["PORTAL_PEPPERS"],
        "audit-signing-key": "5e" * 32 + "\n",
        "sandbox/cerby-token": "a token\n",
        "sandbox/cerby-api-key": "a key\n",
        "sandbox-port": "8601",
    }.items():
        (tmp_path / name).write_text(text)
    config = conf.read()
    assert (config.env, config.host, config.https, config.is_sandbox) == ("demo", "localhost", False, True)
    assert config.cerby_base_url == "http://127.0.0.1:8601"
    secrets = config.secret_key, config.cerby_token, config.cerby_api_key
    assert secrets == ("a secret key", "a token", "a key")
    assert (config.extra_scopes, config.allow_sandbox, config.key_management) == (True, True, "admins")
    assert (config.audit_origin, config.audit_signing_key) == ("localhost:8000/audit", b"\x5e" * 32)


def test_production_takes_nothing_from_the_demos_files(environment, tmp_path):
    environment(**PRODUCTION | {"PORTAL_SECRET_KEY": None})
    (tmp_path / "secret-key").write_text("a demo's secret key")
    assert "PORTAL_SECRET_KEY" in sentence()


def test_production_as_it_should_be(environment):
    environment(**PRODUCTION)
    config = conf.read()
    where = (config.env, config.host, config.https, config.is_sandbox)
    assert where == ("production", "keys.example.com", True, False)
    assert (config.extra_scopes, config.allow_sandbox) == (True, False)  # assisted: every scope is offered
    assert config.cerby_keys_path == "Settings → Workspace Configuration → API keys"
    assert config.secret_key_fallbacks == ("CANARY-older", "CANARY-oldest")
    assert config.peppers == {"p1": bytes.fromhex("c0" * 32)}
    assert config.audit_origin == "keys.example.com/audit"


@pytest.mark.parametrize(
    "name", ["PORTAL_KEY_MANAGMENT", "CERBY_TOKENS", "PORTAL_", "CERBY_TOKEN_FILES", "PORTAL_DEBUG"]
)
def test_a_misspelt_name_is_an_error_that_names_it(environment, name):
    environment(**PRODUCTION, **{name: "CANARY-value"})
    told = sentence()
    assert name in told
    assert "CANARY" not in told


@pytest.mark.parametrize("name", sorted(conf.NAMES - {"PORTAL_DATA_DIR"} - sso_settings.SAML.keys()))
def test_every_name_may_be_given_as_a_file(environment, tmp_path, name):
    usual = {
        "PORTAL_KEY_MANAGEMENT": "owner-only",
        "PORTAL_EXTRA_SCOPES": "true",
        "CERBY_KEYS_PATH": "Settings → Keys",
        "PORTAL_MAX_LIFETIME_DAYS": "7",
        "PORTAL_COMPARE_EVERY_DAYS": "7",
        "PORTAL_TIME_ZONE": "Europe/Berlin",
        "PORTAL_PROXIES": "1",
        **sso_settings.USUAL,
        "PORTAL_ALLOW_SANDBOX": "true",
        "PORTAL_EMAIL_FROM": "portal@example.com",
        "PORTAL_ALERT_EMAILS": "ops@example.com, oncall@example.com",
        "PORTAL_LOG_LEVEL": "DEBUG",
        "CERBY_ISSUE_MODE": "direct",
        "CERBY_API_KEY_EXPIRES": "2027-01-31",
        "CERBY_CA_FILE": certifi.where(),
        "PORTAL_AUDIT_ORIGIN": "log.example.com/audit",
        "PORTAL_AUDIT_FORMER_VKEYS": "log.example.com/audit+00000000+AQ",
        "PORTAL_DATABASE_ADMINS": "dba",
        "PORTAL_AUDIT_ANCHOR_FILE": "/var/lib/anchors/key-portal.jsonl",
        "PORTAL_AUDIT_ANCHOR_SYSLOG": "tcp://logs.example.com:6514",
        "PORTAL_AUDIT_ANCHOR_WEBHOOK": "https://hooks.example.com/CANARY-anchor",
        "PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE": "true",
        "PORTAL_AUDITOR_EMAILS": "ada@example.com grace@example.com",
        "PORTAL_SIEM_FILE": "/var/log/key-portal/siem.jsonl",
        "PORTAL_SIEM_SYSLOG": "tcp://logs.example.com:6514",
        "PORTAL_SIEM_URL": "https://siem.example.com/CANARY-siem",
        **dict.fromkeys(("PORTAL_SIEM_URL_PRIVATE", "PORTAL_CHANNELS_PRIVATE"), "true"),
        **PRODUCTION,
    }
    environment(**usual)
    directly = conf.read()

    file = tmp_path / "value"
    file.write_text(usual[name] + "\n")
    environment(**{name: None, f"{name}_FILE": str(file)})
    assert conf.read() == directly


def test_the_database_is_the_embedded_one_unless_an_address_says_otherwise(environment):
    environment(**PRODUCTION | {"DATABASE_URL": None})
    assert conf.read().database is None
    environment(DATABASE_URL="postgresql://portal:p%40ss%2F@db.example.com/keys?sslmode=require")
    database = conf.read().database
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["NAME"], database["PASSWORD"]) == ("db.example.com", "keys", "p@ss/")
    assert database["OPTIONS"] == {"sslmode": "require"}


def test_an_address_without_the_packages_for_it_says_what_to_install(environment, monkeypatch):
    environment(**PRODUCTION)
    monkeypatch.setattr(variables, "find_spec", lambda name: None)
    assert "requirements-postgresql.txt" in sentence()


@pytest.mark.parametrize(
    ("base_url", "mode"),
    [
        ("https://my-workspace.cerby.com", "assisted"),
        ("https://my-workspace.cerby.com/api/v1/", "assisted"),
        ("https://gateway.example.com", "direct"),
        ("HTTPS://My-Workspace.CERBY.com/API/V1", "assisted"),
        ("https://my-workspace.cerby.com./api/v1", "assisted"),
        ("https://cerby.com.example.com", "direct"),
        ("http://127.0.0.1:8001", "direct"),
    ],
)
def test_keys_are_made_by_hand_in_cerbys_own_workspaces_unless_said_otherwise(environment, base_url, mode):
    environment(**PRODUCTION | {"CERBY_BASE_URL": base_url})
    config = conf.read()
    assert config.cerby_base_url == re.sub("/api/v1/?$", "", base_url, flags=re.IGNORECASE)
    assert config.cerby_issue_mode == mode
    if not config.is_sandbox:
        assert config.extra_scopes is (mode == "assisted")
    environment(**PRODUCTION | {"CERBY_BASE_URL": base_url, "CERBY_ISSUE_MODE": "assisted"})
    assert conf.read().cerby_issue_mode == "assisted"


def test_a_file_that_is_not_there_is_an_error_that_names_the_setting(environment, tmp_path):
    environment(**PRODUCTION | {"CERBY_TOKEN": None, "CERBY_TOKEN_FILE": str(tmp_path / "nothing")})
    assert "CERBY_TOKEN" in sentence()


BAD = {
    "CERBY_API_KEY_EXPIRES": ["soon", "31.1.2027", "2027-13-01"],
    **sso_settings.WRONG,
    "CERBY_CA_FILE": ["/nowhere/ca.pem", "/etc/hostname", "/etc"],
    "DATABASE_URL": [
        "postgres",
        "postgres://",
        "postgres://db.example.com/",
        "postgres://db.example.com:port/portal",
        "postgres://db.example.com:99999/portal",
        "postgres://[db/portal",
        "mysql://db.example.com/portal",
        "sqlite:////tmp/portal.sqlite3",
    ],
    "PORTAL_AUDIT_ANCHOR_SYSLOG": [
        "logs.example.com",
        "http://logs.example.com:514",
        "logs.example.com:99999",
    ],
    "PORTAL_AUDIT_ANCHOR_WEBHOOK": ["http://hooks.example.com/", "hooks.example.com", "https:///path"],
    "PORTAL_AUDIT_ORIGIN": ["two words", "keys+audit"],
    "PORTAL_AUDIT_SIGNING_KEY": ["ab" * 31, "ab" * 33, "not hexadecimal"],
    "PORTAL_ENV": ["", "prod", "Production"],
    "PORTAL_KEY_MANAGEMENT": ["", "everybody", "owner_only"],
    "PORTAL_EXTRA_SCOPES": ["perhaps", "2"],
    "PORTAL_ALLOW_SANDBOX": ["perhaps", "2"],
    "PORTAL_MAX_LIFETIME_DAYS": ["", "-1", "1.5", "a year", "²"],
    "PORTAL_COMPARE_EVERY_DAYS": ["", "-1", "monthly"],
    "PORTAL_TIME_ZONE": ["", "Mars/Olympus", "../etc/passwd"],
    "PORTAL_PROXIES": ["", "-1", "many"],
    "PORTAL_ALERT_EMAILS": ["the admins", "ops@example.com; oncall"],
    "PORTAL_LOG_LEVEL": ["", "debug", "LOUD"],
    "PORTAL_PEPPERS": [
        "",
        "{}",
        "[]",
        "null",
        "p1",
        '{"p1": "short"}',
        '{"p1": "' + "zz" * 32 + '"}',
        '{"p1": 7}',
    ],
    "PORTAL_SECRET_KEY": ["", "   "],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_a_bad_value_gets_one_sentence_that_names_the_setting(environment, name, value):
    environment(**PRODUCTION | {name: value})
    assert name in sentence()


def test_no_secret_is_in_what_the_configuration_says_of_itself(environment):
    environment(**PRODUCTION)
    said = f"{conf.read()!r} {conf.read()}"
    assert "CANARY" not in said
    assert "c0c0" not in said
    assert repr(bytes.fromhex("c0" * 32))[2:-1] not in said
    assert "keys.example.com" in said


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_in_an_error(environment, name):
    environment(**PRODUCTION | {"PORTAL_ENV": "prod"})
    told = sentence()
    assert "CANARY" not in told
    environment(**PRODUCTION | {"PORTAL_PEPPERS": '{"p1": "CANARY"}'})
    assert "CANARY" not in sentence()


@given(st.sampled_from(["127.0.0.1", "127.8.9.10", "localhost", "[::1]"]), st.sampled_from(["", ":8001"]))
def test_a_cerby_on_this_machine_is_a_sandbox(host, port):
    assert variables.is_loopback(host.strip("[]"))
    assert not variables.is_loopback("cerby.com")
    assert not variables.is_loopback("localhost.example.com")


OTHER_READERS = {
    "sandbox/launcher/run.py": "starts the demo and hands its processes their environment",
    "sandbox/launcher/prepare.py": "names the settings, and the demo's password is not one of them",
    "portal/wsgi.py": "names the settings",
    "portal/gunicorn.conf.py": "WEB_CONCURRENCY is gunicorn's own",
}


def test_the_settings_are_read_in_one_place():
    readers = {
        path
        for path, text in texts("keys/*.py", "portal/*.py", "sandbox/*.py").items()
        if "os.environ" in text
    }
    assert readers == {"portal/conf.py"} | OTHER_READERS.keys()


# Checks when the portal starts


@pytest.fixture
def production(settings):
    settings.PORTAL_ENV = "production"
    settings.PORTAL_ALLOW_SANDBOX = False
    settings.PORTAL_IS_SANDBOX = False
    settings.PORTAL_URL = "https://keys.example.com"
    settings.CERBY_BASE_URL = "https://my-workspace.cerby.com"
    settings.CERBY_WORKSPACE = "my-workspace"
    settings.CERBY_TOKEN = "a-token"
    settings.CERBY_API_KEY = "a-key"
    settings.PORTAL_AUDIT_SIGNING_KEY = b"s" * 32
    settings.SECRET_KEY = "s" * 50
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    return settings


def found() -> list[str | None]:
    return [message.id for message in [*sandbox_is_not_production(), *production_is_configured()]]


def test_a_good_production_has_nothing_to_be_told(production):
    assert found() == []


def test_production_does_not_run_on_a_sandbox(production):
    production.PORTAL_IS_SANDBOX = True
    production.CERBY_BASE_URL = "http://127.0.0.1:8001"
    assert found() == ["keys.E001"]
    assert "http://127.0.0.1:8001" in sandbox_is_not_production()[0].msg
    production.PORTAL_ALLOW_SANDBOX = True
    assert found() == []


@pytest.mark.parametrize(
    "name", ["CERBY_BASE_URL", "CERBY_WORKSPACE", "PORTAL_URL", "PORTAL_AUDIT_SIGNING_KEY"]
)
def test_production_says_what_is_missing(production, name):
    setattr(production, name, "")
    (message,) = production_is_configured()
    assert (message.id, message.msg) == ("keys.E002", f"{name} must be set in production.")


def test_production_needs_a_credential(production):
    production.CERBY_TOKEN = ""
    assert found() == []
    production.CERBY_API_KEY = ""
    assert found() == ["keys.E002"]


def test_production_does_not_print_its_mail(production):
    production.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert found() == ["keys.E004"]


def test_production_has_a_secret_key_that_nobody_guesses(production):
    production.SECRET_KEY = "s" * 49
    (message,) = production_is_configured()
    assert message.id == "keys.E005"
    assert "sss" not in message.msg


@pytest.mark.parametrize("url", ["http://keys.example.com", "keys.example.com", "ftp://keys.example.com"])
def test_production_is_https(production, url):
    production.PORTAL_URL = url
    assert found() == ["keys.E003"]


def test_the_demo_may_be_all_of_that(settings):
    settings.PORTAL_ENV = "demo"
    settings.PORTAL_IS_SANDBOX = True
    settings.PORTAL_URL = settings.CERBY_TOKEN = ""
    assert found() == []


def test_the_checks_run_when_django_starts(production):
    production.CERBY_WORKSPACE = ""
    assert "keys.E002" in {message.id for message in run_checks()}


@pytest.mark.parametrize(
    "command",
    [["manage.py", "check"], ["-m", "gunicorn", "--config", "portal/gunicorn.conf.py", "portal.wsgi"]],
)
def test_a_setting_that_is_wrong_ends_the_start_with_the_sentence_alone(environment, command):
    environment(DJANGO_SETTINGS_MODULE="portal.settings", **PRODUCTION | {"PORTAL_SECRET_KEY": None})
    ended = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr
        == "PORTAL_SECRET_KEY is not set. Set it, or PORTAL_SECRET_KEY_FILE; `make run` creates one for the demo.\n"
    )


def test_gunicorn_has_as_many_threads_as_the_portal_counts_on():
    assert runpy.run_path("portal/gunicorn.conf.py")["threads"] == conf.WEB_THREADS
