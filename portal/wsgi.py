"""Create the WSGI application for gunicorn."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from portal.frames import with_room

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

try:
    _django = get_wsgi_application()
except ImproperlyConfigured as error:
    sys.exit(str(error))

# The checks import models, which need the application.
from keys.checks import end_if_refused

end_if_refused()


@with_room
def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _django(environ, start_response)
