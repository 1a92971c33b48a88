"""Define Django's settings. The file is the same in every environment; portal.conf reads the differences."""

from __future__ import annotations

from typing import Any

from csp.constants import NONCE, NONE, SELF

from portal import conf
from portal.logs import LOGGING

CONFIG = conf.read()

# Paths and URLs
BASE_DIR = conf.CHECKOUT
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
ALLOWED_HOSTS = [CONFIG.host] if CONFIG.host != "localhost" else ["localhost", "127.0.0.1"]
CSRF_TRUSTED_ORIGINS = [CONFIG.url] if CONFIG.url else []
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "keys",  # before allauth, so that our templates and commands take precedence
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "csp",
    "django_tasks",
    "django_tasks_db",
    "template_partials.apps.SimpleAppConfig",  # its loader is configured in TEMPLATES below
]

MIDDLEWARE = [
    "portal.logs.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",  # before WhiteNoise, so that static files have the policy too
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.DatabaseAwayMiddleware",
    "portal.middleware.JoinMiddleware",
    "portal.sessions.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.sessions.SessionLifetimeMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.ResponseHeadersMiddleware",
    "portal.middleware.VisibleTextMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",  # after login: expired sessions lead to sign-in
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.second_factor.SecondFactorMiddleware",
    "portal.middleware.PastedKeyMiddleware",
    "portal.middleware.ReaderTimeZoneMiddleware",
    "portal.middleware.DomainErrorMiddleware",
]

_LOADERS = ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [("django.template.loaders.cached.Loader", _LOADERS)],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "keys.views.context.portal",
            ],
        },
    }
]

# Storage
_SQLITE_OPTIONS: dict[str, Any] = {
    # Write transactions lock at the start, so that none fails half-way with "database is locked".
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # FULL: data committed before a call to Cerby survives a power cut.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;",
}
EMBEDDED_DATABASE = CONFIG.data_dir / "portal.sqlite3"
# Each of gunicorn's threads can use a connection, and one is spare. So threads never wait for
# the pool, only for PostgreSQL. The pool gives up reconnecting after 10 s and starts afresh; otherwise it
# would retry more and more rarely for five minutes.
_POOL: dict[str, Any] = {
    "min_size": 1,
    "max_size": conf.WEB_THREADS + 1,
    "timeout": 3,
    "reconnect_timeout": 10,
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": EMBEDDED_DATABASE,
        "CONN_MAX_AGE": None,
        "OPTIONS": _SQLITE_OPTIONS,
    }
}
if CONFIG.database is not None:
    DATABASES["default"] = {
        **CONFIG.database,
        "CONN_HEALTH_CHECKS": True,  # after a restart of PostgreSQL, no request gets a dead connection
        "OPTIONS": {**CONFIG.database.get("OPTIONS", {}), "pool": _POOL},
    }
# Rate limits are counted here, so all processes must share the cache.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
# Uploads are read in memory and never written to a temporary file.
FILE_UPLOAD_HANDLERS = ["portal.uploads.InMemoryUpload"]
STATIC_URL = "static/"
STATIC_ROOT = CONFIG.data_dir / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files with a hash in their name never change. Modules are imported by their plain name and revalidated each
# time.
WHITENOISE_MAX_AGE = 0
WHITENOISE_ALLOW_ALL_ORIGINS = False  # no other site needs them
WHITENOISE_MIMETYPES = {".svg": "image/svg+xml; charset=utf-8"}
# Serve only the portal's own static files, not those of its packages.
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # the portal stores no files
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Times are stored in UTC and shown in the reader's time zone. Jobs use that of the organisation.
USE_TZ = True
TIME_ZONE = CONFIG.time_zone
LANGUAGE_CODE = "en-gb"
USE_I18N = False

# Background jobs: each worker runs one thread per queue.
TASKS = {
    "default": {
        "BACKEND": "django_tasks_db.DatabaseBackend",
        "QUEUES": ["default", "mail", "deliveries", "slow", "bulk", "verification", "reach"],
    }
}

# Sign-in
AUTH_USER_MODEL = "keys.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["keys.crypto.password_hash.Argon2idHasher"]
AUTH_PASSWORD_VALIDATORS = [{"NAME": "keys.validation.password.PasswordRule"}]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "keys:dashboard"
ACCOUNT_ADAPTER = "keys.views.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an operator adds people by email
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
ACCOUNT_FORMS = {
    "change_password": "keys.views.passwords.ChangePasswordForm",
    "reset_password": "keys.views.passwords.ResetPasswordForm",
    "reset_password_from_key": "keys.views.passwords.SetPasswordForm",
}
# Wrong passwords are counted in keys.actions.people.throttle, which lets no stranger lock a person out. These
# limits are generous, because they count right attempts too, and an office can have one address.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "login_failed": None,
    "reauthenticate": "30/m/user",
    "reset_password": "60/m/ip",
    "change_password": "30/m/user",
    "reset_password_from_key": "120/m/ip",
}
ALLAUTH_TRUSTED_PROXY_COUNT = CONFIG.proxies

# Second factors
MFA_ADAPTER = "keys.views.factor_adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_TOTP_ISSUER = "Cerby Key Portal"
MFA_TOTP_TOLERANCE = 1  # periods of 30 seconds, for clocks that differ
MFA_RECOVERY_CODE_COUNT = 10
MFA_RECOVERY_CODE_DIGITS = 10

# Sessions end after 30 minutes idle (the lifetime of cookie and row since the last save) and after 8 hours.
SESSION_COOKIE_AGE = 30 * 60
SESSION_MAX_AGE = 8 * 60 * 60
SESSION_ENGINE = "keys.models.session"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "__Host-portal" if CONFIG.https else "portal"
SESSION_COOKIE_SECURE = CONFIG.https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # so that links in reminders keep people signed in
# The token has its own cookie, so that visitors who are not signed in need no session.
CSRF_COOKIE_NAME = f"{SESSION_COOKIE_NAME}-csrf"
CSRF_COOKIE_AGE = None  # until the browser closes
CSRF_COOKIE_SECURE = CONFIG.https
CSRF_COOKIE_HTTPONLY = True  # scripts read the token in the page
CSRF_COOKIE_SAMESITE = "Lax"
TIME_ZONE_COOKIE_NAME = f"{SESSION_COOKIE_NAME}-tz"  # static/portal.js sets it
MESSAGE_STORAGE = "portal.sessions.MessageStorage"
CSRF_FAILURE_VIEW = "keys.views.csrf.csrf_failure"

SECRET_KEY = CONFIG.secret_key
SECRET_KEY_FALLBACKS = list(CONFIG.secret_key_fallbacks)
DEBUG = False

# Headers
SECURE_SSL_REDIRECT = CONFIG.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CONFIG.proxies else None
SECURE_HSTS_SECONDS = 31_536_000 if CONFIG.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # probes request these over plain HTTP
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "form-action": [SELF, *CONFIG.oidc_origins],  # the button leads to the sign-in provider
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["htmx"],
    }
}
PERMISSIONS_POLICY: dict[str, Any] = {
    name: []
    for name in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
}

# Mail
NO_MAIL = {"django.core.mail.backends.console.EmailBackend", "django.core.mail.backends.dummy.EmailBackend"}
EMAIL_CONFIG = dict(CONFIG.email)
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = CONFIG.email_from
EMAIL_TIMEOUT = 10
PORTAL_SENDS_MAIL = EMAIL_CONFIG["EMAIL_BACKEND"] not in NO_MAIL

# Logs
LOGGING["root"]["level"] = CONFIG.log_level

# The portal
PORTAL_URL = CONFIG.url
PORTAL_ENV = CONFIG.env
PORTAL_ALERT_EMAILS = CONFIG.alert_emails
PORTAL_DATA_DIR = CONFIG.data_dir
PORTAL_PEPPERS = CONFIG.peppers
PORTAL_AUDIT_DIR = CONFIG.data_dir / "audit"
PORTAL_AUDIT_ORIGIN = CONFIG.audit_origin
PORTAL_AUDIT_SIGNING_KEY = CONFIG.audit_signing_key
PORTAL_AUDIT_FORMER_VKEYS = CONFIG.audit_former_vkeys
PORTAL_DATABASE_ADMINS = CONFIG.database_admins
PORTAL_AUDIT_ANCHOR_FILE = CONFIG.anchor_file
PORTAL_AUDIT_ANCHOR_SYSLOG = CONFIG.anchor_syslog
PORTAL_AUDIT_ANCHOR_WEBHOOK = CONFIG.anchor_webhook
PORTAL_AUDIT_ANCHOR_WEBHOOK_PRIVATE = CONFIG.anchor_webhook_private
PORTAL_AUDITOR_EMAILS = CONFIG.auditor_emails
PORTAL_SIEM_FILE = CONFIG.siem_file
PORTAL_SIEM_SYSLOG = CONFIG.siem_syslog
PORTAL_SIEM_URL = CONFIG.siem_url
PORTAL_SIEM_URL_PRIVATE = CONFIG.siem_url_private
PORTAL_SIEM_TOKEN = CONFIG.siem_token
PORTAL_CHANNELS_PRIVATE = CONFIG.channels_private
PORTAL_KEY_MANAGEMENT = CONFIG.key_management
PORTAL_EXTRA_SCOPES = CONFIG.extra_scopes
PORTAL_MAX_LIFETIME_DAYS = CONFIG.max_lifetime_days
PORTAL_MFA_REQUIRED = CONFIG.mfa_required
PORTAL_MFA_GRACE_DAYS = CONFIG.mfa_grace_days
PORTAL_COMPARE_EVERY_DAYS = CONFIG.compare_every_days
PORTAL_OIDC_ISSUER = CONFIG.oidc_issuer
PORTAL_OIDC_CLIENT_ID = CONFIG.oidc_client_id
PORTAL_OIDC_CLIENT_SECRET = CONFIG.oidc_client_secret
PORTAL_OIDC_SCOPES = CONFIG.oidc_scopes
PORTAL_OIDC_ACR = CONFIG.oidc_acr
PORTAL_OIDC_NAME = CONFIG.oidc_name
PORTAL_OIDC_EMAILS_VERIFIED = CONFIG.oidc_emails_verified
PORTAL_OIDC_ADMIT = CONFIG.oidc_admit
PORTAL_OIDC_CA_FILE = CONFIG.oidc_ca_file
PORTAL_OIDC_PRIVATE = CONFIG.oidc_private
PORTAL_SAML_ISSUER = CONFIG.saml_issuer
PORTAL_SAML_METADATA_URL = CONFIG.saml_metadata_url
PORTAL_SAML_METADATA_FILE = CONFIG.saml_metadata_file
PORTAL_SAML_ENTITY_ID = CONFIG.saml_entity_id
PORTAL_SAML_NAME_ID_FORMAT = CONFIG.saml_name_id_format
PORTAL_SAML_EMAIL_ATTRIBUTE = CONFIG.saml_email_attribute
PORTAL_SAML_ACR = CONFIG.saml_acr
PORTAL_SAML_NAME = CONFIG.saml_name
PORTAL_SAML_EMAILS_VERIFIED = CONFIG.saml_emails_verified
PORTAL_SAML_ADMIT = CONFIG.saml_admit
PORTAL_SAML_KEY = CONFIG.saml_key
PORTAL_SAML_CERTIFICATE = CONFIG.saml_certificate
PORTAL_SAML_CA_FILE = CONFIG.saml_ca_file
PORTAL_SAML_PRIVATE = CONFIG.saml_private
PORTAL_STEP_UP = CONFIG.step_up
PORTAL_PASSWORD_SIGN_IN = CONFIG.password_sign_in
PORTAL_BREAK_GLASS_EMAILS = CONFIG.break_glass_emails
PORTAL_IS_SANDBOX = CONFIG.is_sandbox
PORTAL_ALLOW_SANDBOX = CONFIG.allow_sandbox
CERBY_BASE_URL = CONFIG.cerby_base_url
CERBY_WORKSPACE = CONFIG.cerby_workspace
CERBY_TOKEN = CONFIG.cerby_token
CERBY_API_KEY = CONFIG.cerby_api_key
CERBY_TOKEN_FILE = CONFIG.cerby_token_file
CERBY_API_KEY_FILE = CONFIG.cerby_api_key_file
CERBY_API_KEY_EXPIRES = CONFIG.cerby_api_key_expires
CERBY_CA_FILE = CONFIG.cerby_ca_file
CERBY_ISSUE_MODE = CONFIG.cerby_issue_mode
CERBY_KEYS_PATH = CONFIG.cerby_keys_path
CERBY_LIMITS: dict[str, Any] = {}  # set to override keys.cerby.Limits
