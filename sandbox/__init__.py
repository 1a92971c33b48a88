"""An imitation of Cerby for demos, development and tests: a WSGI application with its own SQLite file.

It shares no code with the portal. docs/sandbox.md explains how to use it.

Start with ``app``, the WSGI application, and ``workspace``, which carries out a request. ``routes`` leads to
the endpoints: ``people``, ``records``, ``stored_secrets``, ``secret_members`` and ``api_keys``. Each of these
modules also stores its rows in ``store``.

You can skip these parts:

- ``faults`` and ``late_writes`` make the sandbox misbehave when asked to.
- ``demo`` and ``seed`` are the demo workspace; ``__main__`` serves it.
- ``launcher`` is not part of the imitation: it is ``make run``, which starts the portal beside a sandbox.
- ``auth``, ``bodies``, ``listing``, ``problems``, ``moments``, ``throttle``, ``journal`` and ``key_history``
  each do one small job for the endpoints.
"""

from __future__ import annotations

from sandbox.app import Sandbox

__all__ = ["Sandbox"]
