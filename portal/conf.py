"""The portal's configuration: the one place that reads the environment.

Every name is described in docs/configuration.md. Any of them may be given as ``NAME_FILE``, the path
of a file that holds the value, which is how secrets should arrive.
"""

from __future__ import annotations

import enum
import ipaddress
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

CHECKOUT = Path(__file__).resolve().parent.parent

NAMES = frozenset(
    {
        "DATABASE_URL",
        "PORTAL_ENV",
        "PORTAL_DATA_DIR",
        "PORTAL_URL",
        "PORTAL_SECRET_KEY",
        "PORTAL_SECRET_KEY_FALLBACKS",
        "PORTAL_PEPPERS",
        "PORTAL_AUDIT_ORIGIN",
        "PORTAL_AUDIT_SIGNING_KEY",
        "PORTAL_AUDIT_FORMER_VKEYS",
        "PORTAL_AUDIT_ANCHOR_FILE",
        "PORTAL_AUDIT_ANCHOR_SYSLOG",
        "PORTAL_AUDIT_ANCHOR_WEBHOOK",
        "PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE",
        "PORTAL_AUDITOR_EMAILS",
        "PORTAL_SIEM_FILE",
        "PORTAL_SIEM_SYSLOG",
        "PORTAL_SIEM_URL",
        "PORTAL_SIEM_URL_PRIVATE",
        "PORTAL_SIEM_TOKEN",
        "PORTAL_KEY_MANAGEMENT",
        "PORTAL_EXTRA_SCOPES",
        "PORTAL_MAX_LIFETIME_DAYS",
        "PORTAL_PROXIES",
        "PORTAL_ALLOW_SANDBOX",
        "PORTAL_EMAIL_URL",
        "PORTAL_EMAIL_FROM",
        "PORTAL_ALERT_EMAILS",
        "PORTAL_LOG_LEVEL",
        "CERBY_BASE_URL",
        "CERBY_WORKSPACE",
        "CERBY_TOKEN",
        "CERBY_API_KEY",
        "CERBY_ISSUE_MODE",
    }
)

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


CERBY_DOMAIN = ".cerby.com"


class Environment(enum.StrEnum):
    DEMO = "demo"
    PRODUCTION = "production"


@dataclass(frozen=True)
class Config:
    env: Environment
    data_dir: Path
    database: Mapping[str, Any] | None = field(repr=False)
    url: str
    secret_key: str = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(repr=False)
    peppers: Mapping[str, bytes] = field(repr=False)
    audit_origin: str
    audit_signing_key: bytes = field(repr=False)
    audit_former_vkeys: tuple[str, ...]
    anchor_file: Path | None
    anchor_syslog: str
    anchor_webhook: str = field(repr=False)  # its path may be what opens it
    anchor_webhook_private: bool
    auditor_emails: tuple[str, ...]
    siem_file: Path | None
    siem_syslog: str
    siem_url: str = field(repr=False)  # its path may be what opens it
    siem_url_private: bool
    siem_token: str = field(repr=False)
    key_management: str
    extra_scopes: bool
    max_lifetime_days: int
    proxies: int
    allow_sandbox: bool
    email: Mapping[str, object] = field(repr=False)
    email_from: str
    alert_emails: tuple[str, ...]
    log_level: str
    cerby_base_url: str
    cerby_workspace: str
    cerby_token: str = field(repr=False)
    cerby_api_key: str = field(repr=False)
    cerby_issue_mode: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def https(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def is_sandbox(self) -> bool:
        """A Cerby on this very machine is the embedded sandbox, not a workspace."""
        return _is_loopback(urlsplit(self.cerby_base_url).hostname or "")


def read() -> Config:
    """Read the environment. Raises ``ImproperlyConfigured`` with a sentence that names the variable."""
    _refuse_unknown_names()
    env = environ.FileAwareEnv()
    kind = _choice(env, "PORTAL_ENV", [e.value for e in Environment], Environment.DEMO)
    data_dir = Path(_text(env, "PORTAL_DATA_DIR", str(CHECKOUT / "var"))).absolute()
    demo = kind == Environment.DEMO
    url = _text(env, "PORTAL_URL", "http://localhost:8000" if demo else "").rstrip("/")
    base_url = _text(env, "CERBY_BASE_URL", "http://127.0.0.1:8001" if demo else "").rstrip("/")
    return Config(
        env=Environment(kind),
        data_dir=data_dir,
        database=_database(_text(env, "DATABASE_URL", "")),
        url=url,
        secret_key=_secret(env, "PORTAL_SECRET_KEY", data_dir / "secret-key"),
        secret_key_fallbacks=tuple(_text(env, "PORTAL_SECRET_KEY_FALLBACKS", "").split()),
        peppers=_peppers(_secret(env, "PORTAL_PEPPERS", data_dir / "peppers.json")),
        audit_origin=_origin(_text(env, "PORTAL_AUDIT_ORIGIN", f"{urlsplit(url).netloc}/audit")),
        audit_signing_key=_seed(
            _secret(env, "PORTAL_AUDIT_SIGNING_KEY", data_dir / "audit-signing-key", required=False)
        ),
        audit_former_vkeys=tuple(_text(env, "PORTAL_AUDIT_FORMER_VKEYS", "").split()),
        anchor_file=_path(env, "PORTAL_AUDIT_ANCHOR_FILE"),
        anchor_syslog=_host_and_port(env, "PORTAL_AUDIT_ANCHOR_SYSLOG"),
        anchor_webhook=_https(env, "PORTAL_AUDIT_ANCHOR_WEBHOOK"),
        anchor_webhook_private=_flag(env, "PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE", False),
        auditor_emails=tuple(_text(env, "PORTAL_AUDITOR_EMAILS", "").replace(",", " ").split()),
        siem_file=_path(env, "PORTAL_SIEM_FILE"),
        siem_syslog=_host_and_port(env, "PORTAL_SIEM_SYSLOG"),
        siem_url=_https(env, "PORTAL_SIEM_URL"),
        siem_url_private=_flag(env, "PORTAL_SIEM_URL_PRIVATE", False),
        siem_token=_text(env, "PORTAL_SIEM_TOKEN", ""),
        key_management=_choice(env, "PORTAL_KEY_MANAGEMENT", ["admins", "owner-only"], "admins"),
        extra_scopes=_flag(env, "PORTAL_EXTRA_SCOPES", _is_loopback(urlsplit(base_url).hostname or "")),
        max_lifetime_days=_positive(env, "PORTAL_MAX_LIFETIME_DAYS", 366),
        proxies=_positive(env, "PORTAL_PROXIES", 0),
        allow_sandbox=_flag(env, "PORTAL_ALLOW_SANDBOX", demo),
        email=env.email_url_config(_text(env, "PORTAL_EMAIL_URL", "consolemail://")),
        email_from=_text(env, "PORTAL_EMAIL_FROM", "Cerby key portal <portal@localhost>"),
        alert_emails=_addresses(env, "PORTAL_ALERT_EMAILS"),
        log_level=_choice(env, "PORTAL_LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO"),
        cerby_base_url=base_url,
        cerby_workspace=_text(env, "CERBY_WORKSPACE", "contenzilla" if demo else ""),
        cerby_token=_secret(env, "CERBY_TOKEN", data_dir / "sandbox" / "cerby-token", required=False),
        cerby_api_key=_secret(env, "CERBY_API_KEY", data_dir / "sandbox" / "cerby-api-key", required=False),
        cerby_issue_mode=_choice(env, "CERBY_ISSUE_MODE", ["direct", "assisted"], _issue_mode(base_url)),
    )


def _refuse_unknown_names() -> None:
    known = NAMES | {f"{name}_FILE" for name in NAMES}
    unknown = sorted(n for n in os.environ if n.startswith(("PORTAL_", "CERBY_")) and n not in known)
    if unknown:
        raise ImproperlyConfigured(
            f"Unknown setting {', '.join(unknown)}. docs/configuration.md has the list."
        )


def _text(env: environ.Env, name: str, default: str) -> str:
    """The value without the white space around it, such as the line break at the end of a file."""
    try:
        return str(env.str(name, default)).strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error


def _flag(env: environ.Env, name: str, default: bool) -> bool:
    value = _text(env, name, str(default)).lower()
    if value not in {*_TRUE, *_FALSE}:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be true or false.")
    return value in _TRUE


def _choice(env: environ.Env, name: str, allowed: list[str], default: str) -> str:
    value = _text(env, name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value


def _addresses(env: environ.Env, name: str) -> tuple[str, ...]:
    addresses = tuple(_text(env, name, "").replace(",", " ").split())
    if any("@" not in address for address in addresses):
        raise ImproperlyConfigured(f"{name} must be e-mail addresses, separated by spaces or commas.")
    return addresses


def _positive(env: environ.Env, name: str, default: int) -> int:
    text = _text(env, name, str(default))
    if not text.isdecimal():
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be a whole number.")
    return int(text)


def _secret(env: environ.Env, name: str, demo_file: Path, *, required: bool = True) -> str:
    """The secret called ``name``; in the demo, the one that ``make run`` left in the data folder."""
    value = _text(env, name, "")
    is_demo = _text(env, "PORTAL_ENV", Environment.DEMO) == Environment.DEMO
    if not value and is_demo and demo_file.is_file():
        value = demo_file.read_text().strip()
    if not value and required:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) is not set. `make run` makes one for the demo.")
    return value


def _path(env: environ.Env, name: str) -> Path | None:
    text = _text(env, name, "")
    return Path(text).absolute() if text else None


def _host_and_port(env: environ.Env, name: str) -> str:
    """Such as udp://logs.example.com:514; the host and port alone mean UDP."""
    text = _text(env, name, "")
    address = text if not text or "://" in text else f"udp://{text}"
    parts = urlsplit(address)
    try:
        usable = parts.scheme in {"udp", "tcp"} and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # a port beyond 65535
        usable = False
    if address and not usable:
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be such as tcp://logs.example.com:6514.")
    return address


def _https(env: environ.Env, name: str) -> str:
    text = _text(env, name, "")
    if text and (urlsplit(text).scheme != "https" or not urlsplit(text).hostname):
        raise ImproperlyConfigured(
            f"{name} must be an HTTPS address, such as https://hooks.example.com/portal."
        )
    return text


def _database(url: str) -> Mapping[str, Any] | None:
    """The database at ``url`` as Django's DATABASES describes it; None: the embedded SQLite file."""
    if not url:
        return None
    found: dict[str, Any] = {}
    with suppress(ValueError):  # such as a port that is no number
        if urlsplit(url).scheme in {"postgres", "postgresql"}:
            found = dict(environ.Env.db_url_config(url))
    if not found.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL must be the address of a PostgreSQL database, such as "
            "postgres://user:password@host:5432/name."
        )
    if find_spec("psycopg") is None:
        raise ImproperlyConfigured(
            "DATABASE_URL is set, and the packages for PostgreSQL are not installed: run "
            ".ci/venv requirements-postgresql.txt."
        )
    return found


def _peppers(text: str) -> Mapping[str, bytes]:
    """JSON such as {"p1": "64 hexadecimal digits"}; the last one is used for new fingerprints."""
    try:
        peppers = {str(name): bytes.fromhex(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        peppers = {}
    if not peppers or any(len(pepper) < 32 for pepper in peppers.values()):  # noqa: PLR2004 - 256 bits
        raise ImproperlyConfigured(
            'PORTAL_PEPPERS must be JSON such as {"p1": "…"}, each value 64 or more hexadecimal digits.'
        )
    return peppers


def _origin(name: str) -> str:
    """What the audit log calls itself (C2SP, "signed-note": neither white space nor a plus)."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise ImproperlyConfigured(
            f"PORTAL_AUDIT_ORIGIN is {name!r}; it must be a name such as keys.example.com/audit."
        )
    return name


def _seed(text: str) -> bytes:
    """The private key of Ed25519, 32 bytes; none for no text."""
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b"?"
    if len(seed) not in {0, 32}:
        raise ImproperlyConfigured("PORTAL_AUDIT_SIGNING_KEY must be 64 hexadecimal digits.")
    return seed


def _issue_mode(base_url: str) -> str:
    """Cerby's own servers publish no call that generates a key; any other server is there for that."""
    host = urlsplit(base_url).hostname or ""
    return "assisted" if host.endswith(CERBY_DOMAIN) else "direct"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
