"""The launcher behind ``make run``: start the portal, its worker and the sandbox, and stop them together.

``run`` is the program. It first runs ``prepare``, which migrates the database, collects the static files and,
through ``seed_demo``, adds the demo people and keys. ``processes`` starts, watches and stops the processes.
The launcher is the only part of the sandbox that knows the portal.
"""
