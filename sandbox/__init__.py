"""A Cerby workspace that runs anywhere: a WSGI app on the standard library, with its own SQLite file."""

from __future__ import annotations

from sandbox.app import Sandbox

__all__ = ["Sandbox"]
