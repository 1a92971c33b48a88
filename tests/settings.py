"""The portal's own settings in a temporary environment, with fast password hashing and short pauses."""

import atexit
import os
import shutil
import tempfile

DATA_DIR = tempfile.mkdtemp(prefix="portal-tests-")
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)

os.environ |= {
    "PORTAL_ENV": "demo",
    "PORTAL_DATA_DIR": DATA_DIR,
    "PORTAL_URL": "http://testserver",
    "PORTAL_SECRET_KEY": "for-tests-only-" * 4,
    "PORTAL_PEPPERS": '{"p0": "' + "0a" * 32 + '", "p1": "' + "1b" * 32 + '"}',
    "PORTAL_AUDIT_SIGNING_KEY": "5a" * 32,
    "PORTAL_EMAIL_URL": "memorymail://",
    "PORTAL_CHANNELS_PRIVATE": "true",
    "CERBY_BASE_URL": "http://127.0.0.1:9",  # no listener; the sandbox fixture sets the real one
    "CERBY_WORKSPACE": "contenzilla",
}
for name in (
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "PORTAL_SECRET_KEY_FILE",
    "PORTAL_PEPPERS_FILE",
    "PORTAL_AUDIT_SIGNING_KEY_FILE",
    "CERBY_TOKEN_FILE",
    "CERBY_API_KEY_FILE",
):
    os.environ.pop(name, None)

from portal.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # argon2 is slow by design
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},  # nothing collected
}
WHITENOISE_AUTOREFRESH = True  # there is no folder of collected files
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CERBY_LIMITS = {"pauses": (0.01, 0.02, 0.04)}  # before a read is repeated
