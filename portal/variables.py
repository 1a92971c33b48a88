"""Read single environment variables and check their values."""

from __future__ import annotations

import ipaddress
import json
import ssl
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class Variables:
    """The environment. Each method returns one variable, or raises ``ImproperlyConfigured`` if it is wrong.

    An error does not repeat a value that may contain a secret.
    """

    def __init__(self) -> None:
        self._env = environ.FileAwareEnv()

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding white space, such as the line break at the end of a file.

        A byte order mark, which editors on Windows write, is left out, too.
        """
        try:
            return str(self._env.str(name, default)).removeprefix("\ufeff").strip()
        except UnicodeDecodeError as error:
            raise ImproperlyConfigured(f"{name}_FILE is not UTF-8 text.") from error
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from error

    def words(self, name: str) -> tuple[str, ...]:
        """Return values that are separated by white space."""
        return tuple(self.text(name).split())

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default)).lower()
        if value not in {*_TRUE, *_FALSE}:
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be true or false.")
        return value in _TRUE

    def choice(self, name: str, allowed: list[str], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")
        return value

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be the name of a time zone, such as Europe/Berlin."
            ) from error
        return value

    def list_of_emails(self, name: str) -> tuple[str, ...]:
        value = self.text(name)
        emails = tuple(value.replace(",", " ").split())
        if any("@" not in email for email in emails):
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be email addresses, separated by spaces or commas."
            )
        return emails

    def whole_number(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal():
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number, 0 or more.")
        return int(value)

    def secret(self, name: str, demo_file: Path | None, *, required: bool = True) -> str:
        """Return the value, or else the content of ``demo_file``, which ``make run`` wrote."""
        value = self.text(name)
        if not value and demo_file and demo_file.is_file():
            value = demo_file.read_text().strip()
        if not value and required:
            raise ImproperlyConfigured(
                f"{name} is not set. Set it, or {name}_FILE; `make run` creates one for the demo."
            )
        return value

    def secret_file(self, name: str, demo_file: Path | None) -> Path | None:
        """Return the file that contains the secret, which may get another value later."""
        path = self.path(f"{name}_FILE")
        if path is None and not self.text(name) and demo_file and demo_file.is_file():
            return demo_file
        return path

    def moment(self, name: str) -> datetime | None:
        """Return a date, which means 00:00 UTC, or a time, which is UTC unless it has an offset."""
        value = self.text(name)
        try:
            moment = datetime.fromisoformat(value) if value else None
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be a date or time: 2027-01-31 or 2027-01-31T14:05+01:00."
            ) from None
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment

    def ca_file(self, name: str) -> str:
        """Return the path of a file of certificates in PEM form that can be read, or ""."""
        path = self.path(name)
        if path is None:
            return ""
        try:
            ssl.create_default_context(cafile=str(path))
        except OSError as error:  # ssl.SSLError is one
            raise ImproperlyConfigured(
                f"{name} is {str(path)!r}; it must be a readable file of certificates in PEM form."
            ) from error
        return str(path)

    def path(self, name: str) -> Path | None:
        value = self.text(name)
        return Path(value).absolute() if value else None

    def syslog_url(self, name: str) -> str:
        """Return an address such as udp://logs.example.com:514. Without a scheme it means UDP."""
        value = self.text(name)
        url = value if not value or "://" in value else f"udp://{value}"
        parts = urlsplit(url)
        try:
            usable = parts.scheme in {"udp", "tcp"} and bool(parts.hostname) and bool(parts.port)
        except ValueError:  # the port is greater than 65535
            usable = False
        if url and not usable:
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be a udp:// or tcp:// address with a port, such as "
                "tcp://logs.example.com:6514."
            )
        return url

    def https_url(self, name: str) -> str:
        value = self.text(name)
        if value and (urlsplit(value).scheme != "https" or not urlsplit(value).hostname):
            raise ImproperlyConfigured(
                f"{name} must be an https:// address, such as https://hooks.example.com/portal."
            )
        return value

    def issuer(self, name: str, *, loopback: bool, query: bool = False) -> str:
        """Return the address of a sign-in provider. If ``loopback``, http:// on this machine is allowed."""
        value = self.text(name)
        parts = urlsplit(value)
        local = loopback and parts.scheme == "http" and is_loopback(parts.hostname or "")
        is_https = parts.scheme == "https" and bool(parts.hostname)
        if value and (not (local or is_https) or (parts.query and not query) or parts.fragment):
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be an https:// address without a query, exactly as the "
                "provider "
                "writes it, such as https://login.example.com/tenant."
            )
        return value

    def email_server(self, name: str, default: str) -> Mapping[str, object]:
        """Return Django's EMAIL_* settings for a URL such as smtp://mail.example.com:25."""
        server: Mapping[str, object] = self._env.email_url_config(self.text(name, default))
        return server

    def database(self, name: str) -> Mapping[str, Any] | None:
        """Return the entry for Django's DATABASES, or None for the embedded SQLite file."""
        url = self.text(name)
        if not url:
            return None
        found: dict[str, Any] = {}
        with suppress(ValueError):  # for example, the port is not a number
            if urlsplit(url).scheme in {"postgres", "postgresql"}:
                found = dict(environ.Env.db_url_config(url))
        if not found.get("NAME"):
            raise ImproperlyConfigured(
                f"{name} must be the address of a PostgreSQL database, such as "
                "postgres://user:password@host:5432/name."
            )
        if find_spec("psycopg") is None:
            raise ImproperlyConfigured(
                f"{name} is set, but the packages for PostgreSQL are not installed: run "
                ".ci/venv requirements-postgresql.txt."
            )
        return found

    def peppers(self, name: str, demo_file: Path | None) -> Mapping[str, bytes]:
        """Return the peppers by their ids. New fingerprints use the last one."""
        try:
            values = json.loads(self.secret(name, demo_file))
            peppers = {str(pepper_id): bytes.fromhex(value) for pepper_id, value in values.items()}
        except (ValueError, AttributeError, TypeError):
            peppers = {}
        if not peppers or any(len(pepper) < 32 for pepper in peppers.values()):  # noqa: PLR2004 - 256 bits
            raise ImproperlyConfigured(
                f'{name} must be JSON such as {{"p1": "…"}}, with at least 64 hexadecimal digits for each.'
            )
        return peppers

    def origin(self, name: str, default: str) -> str:
        """Return the name of the audit log (C2SP, "signed-note": no white space and no plus sign)."""
        value = self.text(name, default)
        if not value or "+" in value or any(character.isspace() for character in value):
            raise ImproperlyConfigured(
                f"{name} is {value!r}; it must be a name without spaces or plus signs, such as "
                "keys.example.com/audit."
            )
        return value

    def signing_key(self, name: str, demo_file: Path | None) -> bytes:
        """Return a private Ed25519 key, 32 bytes, or no bytes if it is not set."""
        try:
            key = bytes.fromhex(self.secret(name, demo_file, required=False))
        except ValueError:
            key = b"?"
        if len(key) not in {0, 32}:
            raise ImproperlyConfigured(f"{name} must be 64 hexadecimal digits.")
        return key


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
