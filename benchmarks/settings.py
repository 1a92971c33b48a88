"""Use the portal's settings, plus an empty page and Django's admin for comparison."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path(os.environ.get("BENCH_DIR") or Path(tempfile.gettempdir()) / "cerby-key-portal-bench")
FOLDER.mkdir(parents=True, exist_ok=True)
POSTGRESQL = FOLDER / "postgresql"

for name in [name for name in os.environ if name.startswith(("PORTAL_", "CERBY_", "DATABASE_"))]:
    del os.environ[name]
os.environ |= {
    "PORTAL_DATA_DIR": str(FOLDER),
    "PORTAL_URL": "http://localhost",
    "PORTAL_SECRET_KEY": "for-measuring-only-" * 4,
    "PORTAL_AUDIT_SIGNING_KEY": "0a" * 32,
    "PORTAL_PEPPERS": '{"p1": "' + "0a" * 32 + '"}',
}
if os.environ.get("BENCH_DATABASE") == "postgresql":
    os.environ["DATABASE_URL"] = f"postgresql://portal@/postgres?host={POSTGRESQL}"

from portal.logs import LOGGING  # noqa: E402
from portal.settings import *  # noqa: E402, F403
from portal.settings import INSTALLED_APPS as PORTAL_APPS  # noqa: E402
from portal.settings import TEMPLATES  # noqa: E402

INSTALLED_APPS = [*PORTAL_APPS, "django.contrib.admin"]
ROOT_URLCONF = "benchmarks.urls"
TEMPLATES[0]["DIRS"].append(Path(__file__).parent / "templates")  # type: ignore[attr-defined]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",  # for the admin's static files
]
SILENCED_SYSTEM_CHECKS = ["admin.E410"]  # the middleware order differs here
# Log lines are still formatted, but discarded.
LOGGING["handlers"]["console"]["stream"] = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open as long as the process
