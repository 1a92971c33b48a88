"""Read the portal's configuration from the environment. No other module of the portal reads it.

docs/configuration.md describes every variable. Each can also be set as ``NAME_FILE``, the path of a file
that contains the value; use this form for secrets.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from portal.variables import Variables, is_loopback

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
        "PORTAL_DATABASE_ADMINS",
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
        "PORTAL_CHANNELS_PRIVATE",
        "PORTAL_KEY_MANAGEMENT",
        "PORTAL_EXTRA_SCOPES",
        "PORTAL_MAX_LIFETIME_DAYS",
        "PORTAL_MFA_REQUIRED",
        "PORTAL_MFA_GRACE_DAYS",
        "PORTAL_COMPARE_EVERY_DAYS",
        "PORTAL_TIME_ZONE",
        "PORTAL_PROXIES",
        "PORTAL_OIDC_ISSUER",
        "PORTAL_OIDC_CLIENT_ID",
        "PORTAL_OIDC_CLIENT_SECRET",
        "PORTAL_OIDC_SCOPES",
        "PORTAL_OIDC_ACR",
        "PORTAL_OIDC_NAME",
        "PORTAL_OIDC_EMAILS_VERIFIED",
        "PORTAL_OIDC_ADMIT",
        "PORTAL_OIDC_CA_FILE",
        "PORTAL_OIDC_PRIVATE",
        "PORTAL_OIDC_FORM_ACTION",
        "PORTAL_SAML_ISSUER",
        "PORTAL_SAML_METADATA_URL",
        "PORTAL_SAML_METADATA_FILE",
        "PORTAL_SAML_ENTITY_ID",
        "PORTAL_SAML_NAME_ID_FORMAT",
        "PORTAL_SAML_EMAIL_ATTRIBUTE",
        "PORTAL_SAML_ACR",
        "PORTAL_SAML_NAME",
        "PORTAL_SAML_EMAILS_VERIFIED",
        "PORTAL_SAML_ADMIT",
        "PORTAL_SAML_KEY",
        "PORTAL_SAML_CERTIFICATE",
        "PORTAL_SAML_CA_FILE",
        "PORTAL_SAML_PRIVATE",
        "PORTAL_STEP_UP",
        "PORTAL_PASSWORD_SIGN_IN",
        "PORTAL_BREAK_GLASS_EMAILS",
        "PORTAL_ALLOW_SANDBOX",
        "PORTAL_EMAIL_URL",
        "PORTAL_EMAIL_FROM",
        "PORTAL_ALERT_EMAILS",
        "PORTAL_LOG_LEVEL",
        "CERBY_BASE_URL",
        "CERBY_WORKSPACE",
        "CERBY_TOKEN",
        "CERBY_API_KEY",
        "CERBY_API_KEY_EXPIRES",
        "CERBY_CA_FILE",
        "CERBY_ISSUE_MODE",
        "CERBY_KEYS_PATH",
    }
)

CERBY_DOMAIN = ".cerby.com"
WEB_THREADS = 16
"""The threads of each gunicorn process. portal/gunicorn.conf.py repeats the number."""
COMPARE_EVERY_DAYS = 30
OIDC_SCOPES = "openid email profile"
KEYS_PATH = "Settings → Workspace Configuration → API keys"
"""Where Cerby's web app has the API keys (published)."""


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
    database_admins: tuple[str, ...]
    anchor_file: Path | None
    anchor_syslog: str
    anchor_webhook: str = field(repr=False)  # its path may contain a secret
    anchor_webhook_private: bool
    auditor_emails: tuple[str, ...]
    siem_file: Path | None
    siem_syslog: str
    siem_url: str = field(repr=False)  # its path may contain a secret
    siem_url_private: bool
    siem_token: str = field(repr=False)
    channels_private: bool
    key_management: str
    extra_scopes: bool
    max_lifetime_days: int
    mfa_required: str
    mfa_grace_days: int
    compare_every_days: int
    time_zone: str
    proxies: int
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_scopes: str
    oidc_acr: tuple[str, ...]
    oidc_name: str
    oidc_emails_verified: bool
    oidc_admit: str
    oidc_ca_file: str
    oidc_private: bool
    oidc_form_action: tuple[str, ...]
    saml_issuer: str
    saml_metadata_url: str
    saml_metadata_file: Path | None
    saml_entity_id: str
    saml_name_id_format: str
    saml_email_attribute: str
    saml_acr: tuple[str, ...]
    saml_name: str
    saml_emails_verified: bool
    saml_admit: str
    saml_key: str = field(repr=False)
    saml_certificate: str
    saml_ca_file: str
    saml_private: bool
    step_up: str
    password_sign_in: str
    break_glass_emails: tuple[str, ...]
    allow_sandbox: bool
    email: Mapping[str, object] = field(repr=False)
    email_from: str
    alert_emails: tuple[str, ...]
    log_level: str
    cerby_base_url: str
    cerby_workspace: str
    cerby_token: str = field(repr=False)
    cerby_api_key: str = field(repr=False)
    cerby_token_file: Path | None = field(compare=False)
    cerby_api_key_file: Path | None = field(compare=False)
    cerby_api_key_expires: datetime | None
    cerby_ca_file: str
    cerby_issue_mode: str
    cerby_keys_path: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def https(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def oidc_origins(self) -> list[str]:
        """Return the origins to which the button on the sign-in page may lead."""
        parts = urlsplit(self.oidc_issuer)
        return [f"{parts.scheme}://{parts.netloc}", *self.oidc_form_action] if self.oidc_issuer else []

    @property
    def is_sandbox(self) -> bool:
        """Return whether Cerby runs on this machine, which only the sandbox does."""
        return is_loopback(urlsplit(self.cerby_base_url).hostname or "")


def read() -> Config:
    """Return the configuration.

    Raises ``ImproperlyConfigured`` with one sentence that names the variable.
    """
    _refuse_unknown_names()
    env = Variables()
    kind = env.choice("PORTAL_ENV", [e.value for e in Environment], Environment.DEMO)
    demo = kind == Environment.DEMO
    data_dir = Path(env.text("PORTAL_DATA_DIR", str(CHECKOUT / "var"))).absolute()
    url = env.text("PORTAL_URL", "http://localhost:8000" if demo else "").rstrip("/")
    base_url = without_api_path(env.text("CERBY_BASE_URL", _sandbox_url(data_dir) if demo else ""))
    issue_mode = env.choice("CERBY_ISSUE_MODE", ["direct", "assisted"], _issue_mode(base_url))

    def demo_file(name: str) -> Path | None:
        return data_dir / name if demo else None

    config = Config(
        env=Environment(kind),
        data_dir=data_dir,
        database=env.database("DATABASE_URL"),
        url=url,
        secret_key=env.secret("PORTAL_SECRET_KEY", demo_file("secret-key")),
        secret_key_fallbacks=env.words("PORTAL_SECRET_KEY_FALLBACKS"),
        peppers=env.peppers("PORTAL_PEPPERS", demo_file("peppers.json")),
        audit_origin=env.origin("PORTAL_AUDIT_ORIGIN", f"{urlsplit(url).netloc}/audit"),
        audit_signing_key=env.signing_key("PORTAL_AUDIT_SIGNING_KEY", demo_file("audit-signing-key")),
        audit_former_vkeys=env.words("PORTAL_AUDIT_FORMER_VKEYS"),
        database_admins=env.words("PORTAL_DATABASE_ADMINS"),
        anchor_file=env.path("PORTAL_AUDIT_ANCHOR_FILE"),
        anchor_syslog=env.syslog_url("PORTAL_AUDIT_ANCHOR_SYSLOG"),
        anchor_webhook=env.https_url("PORTAL_AUDIT_ANCHOR_WEBHOOK"),
        anchor_webhook_private=env.flag("PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE", False),
        auditor_emails=tuple(env.text("PORTAL_AUDITOR_EMAILS").replace(",", " ").split()),
        siem_file=env.path("PORTAL_SIEM_FILE"),
        siem_syslog=env.syslog_url("PORTAL_SIEM_SYSLOG"),
        siem_url=env.https_url("PORTAL_SIEM_URL"),
        siem_url_private=env.flag("PORTAL_SIEM_URL_PRIVATE", False),
        siem_token=env.text("PORTAL_SIEM_TOKEN"),
        channels_private=env.flag("PORTAL_CHANNELS_PRIVATE", False),
        key_management=env.choice("PORTAL_KEY_MANAGEMENT", ["admins", "owner-only"], "admins"),
        # A person selects the scopes in Cerby by their labels, so assisted mode needs no identifiers.
        extra_scopes=env.flag("PORTAL_EXTRA_SCOPES", is_loopback(urlsplit(base_url).hostname or ""))
        or issue_mode == "assisted",
        max_lifetime_days=env.whole_number("PORTAL_MAX_LIFETIME_DAYS", 366),
        mfa_required=env.choice("PORTAL_MFA_REQUIRED", ["nobody", "admins", "everybody"], "nobody"),
        mfa_grace_days=env.whole_number("PORTAL_MFA_GRACE_DAYS", 7),
        compare_every_days=env.whole_number(
            "PORTAL_COMPARE_EVERY_DAYS", COMPARE_EVERY_DAYS if issue_mode == "assisted" else 0
        ),
        time_zone=env.time_zone("PORTAL_TIME_ZONE", "UTC"),
        proxies=env.whole_number("PORTAL_PROXIES", 0),
        oidc_issuer=env.issuer("PORTAL_OIDC_ISSUER", loopback=demo),
        oidc_client_id=env.text("PORTAL_OIDC_CLIENT_ID"),
        oidc_client_secret=env.text("PORTAL_OIDC_CLIENT_SECRET"),
        oidc_scopes=env.text("PORTAL_OIDC_SCOPES", OIDC_SCOPES),
        oidc_acr=env.words("PORTAL_OIDC_ACR"),
        oidc_name=env.text("PORTAL_OIDC_NAME", "Sign in with SSO"),
        oidc_emails_verified=env.flag("PORTAL_OIDC_EMAILS_VERIFIED", False),
        oidc_admit=env.choice("PORTAL_OIDC_ADMIT", ["added", "admins", "users"], "added"),
        oidc_ca_file=env.ca_file("PORTAL_OIDC_CA_FILE"),
        oidc_private=env.flag("PORTAL_OIDC_PRIVATE", False),
        oidc_form_action=env.words("PORTAL_OIDC_FORM_ACTION"),
        saml_issuer=env.text("PORTAL_SAML_ISSUER"),
        saml_metadata_url=env.issuer("PORTAL_SAML_METADATA_URL", loopback=demo, query=True),
        saml_metadata_file=env.path("PORTAL_SAML_METADATA_FILE"),
        saml_entity_id=env.text("PORTAL_SAML_ENTITY_ID"),
        saml_name_id_format=env.choice(
            "PORTAL_SAML_NAME_ID_FORMAT", ["persistent", "emailAddress", "unspecified"], "persistent"
        ),
        saml_email_attribute=env.text("PORTAL_SAML_EMAIL_ATTRIBUTE"),
        saml_acr=env.words("PORTAL_SAML_ACR"),
        saml_name=env.text("PORTAL_SAML_NAME", "Sign in with SSO"),
        saml_emails_verified=env.flag("PORTAL_SAML_EMAILS_VERIFIED", False),
        saml_admit=env.choice("PORTAL_SAML_ADMIT", ["added", "admins", "users"], "added"),
        saml_key=env.text("PORTAL_SAML_KEY"),
        saml_certificate=env.text("PORTAL_SAML_CERTIFICATE"),
        saml_ca_file=env.ca_file("PORTAL_SAML_CA_FILE"),
        saml_private=env.flag("PORTAL_SAML_PRIVATE", False),
        step_up=env.choice("PORTAL_STEP_UP", ["idp", "portal", "either"], "either"),
        password_sign_in=env.choice("PORTAL_PASSWORD_SIGN_IN", ["on", "off", "break-glass"], "on"),
        break_glass_emails=tuple(each.lower() for each in env.list_of_emails("PORTAL_BREAK_GLASS_EMAILS")),
        allow_sandbox=env.flag("PORTAL_ALLOW_SANDBOX", demo),
        email=env.email_server("PORTAL_EMAIL_URL", "consolemail://"),
        email_from=env.text("PORTAL_EMAIL_FROM", "Cerby Key Portal <portal@localhost>"),
        alert_emails=env.list_of_emails("PORTAL_ALERT_EMAILS"),
        log_level=env.choice("PORTAL_LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO"),
        cerby_base_url=base_url,
        cerby_workspace=env.text("CERBY_WORKSPACE", "contenzilla" if demo else ""),
        cerby_token=env.secret("CERBY_TOKEN", demo_file("sandbox/cerby-token"), required=False),
        cerby_api_key=env.secret("CERBY_API_KEY", demo_file("sandbox/cerby-api-key"), required=False),
        cerby_token_file=env.secret_file("CERBY_TOKEN", demo_file("sandbox/cerby-token")),
        cerby_api_key_file=env.secret_file("CERBY_API_KEY", demo_file("sandbox/cerby-api-key")),
        cerby_api_key_expires=env.moment("CERBY_API_KEY_EXPIRES"),
        cerby_ca_file=env.ca_file("CERBY_CA_FILE"),
        cerby_issue_mode=issue_mode,
        cerby_keys_path=env.text("CERBY_KEYS_PATH", KEYS_PATH),
    )
    _refuse_half_of_saml(config)
    return config


def _refuse_half_of_saml(config: Config) -> None:
    sources = [config.saml_metadata_url, config.saml_metadata_file]
    if not config.saml_issuer and not any(sources):
        return
    if not config.saml_issuer or sum(map(bool, sources)) != 1:
        raise ImproperlyConfigured(
            "For SAML, set PORTAL_SAML_ISSUER and either PORTAL_SAML_METADATA_URL or "
            "PORTAL_SAML_METADATA_FILE."
        )
    if config.oidc_issuer:
        raise ImproperlyConfigured(
            "PORTAL_OIDC_ISSUER and PORTAL_SAML_ISSUER are both set; a portal has one sign-in provider."
        )
    if bool(config.saml_key) != bool(config.saml_certificate):
        raise ImproperlyConfigured("Set both PORTAL_SAML_KEY and PORTAL_SAML_CERTIFICATE, or neither.")
    if find_spec("onelogin") is None:
        raise ImproperlyConfigured(
            "PORTAL_SAML_ISSUER is set, but the packages for SAML are not installed: run "
            ".ci/venv requirements-saml.txt."
        )


def _sandbox_url(data_dir: Path) -> str:
    """Return the address of the sandbox that ``make run`` started last with this data folder."""
    with contextlib.suppress(OSError, ValueError):
        return f"http://127.0.0.1:{int((data_dir / 'sandbox-port').read_text())}"
    return "http://127.0.0.1:8001"


def _refuse_unknown_names() -> None:
    known = NAMES | {f"{name}_FILE" for name in NAMES}
    unknown = sorted(n for n in os.environ if n.startswith(("PORTAL_", "CERBY_")) and n not in known)
    if unknown:
        raise ImproperlyConfigured(
            f"Unknown setting {', '.join(unknown)}. docs/configuration.md lists all settings."
        )


def without_api_path(url: str) -> str:
    """Return Cerby's address without ``/api/v1``, with which Cerby's own pages write it."""
    return re.sub(r"(/+api/+v1)*/*$", "", url.strip(), flags=re.IGNORECASE)


def _issue_mode(base_url: str) -> str:
    """Return the default: "assisted" on Cerby's own servers, which publish no call that generates a key."""
    host = urlsplit(base_url).hostname or ""
    return "assisted" if host.rstrip(".").endswith(CERBY_DOMAIN) else "direct"
