"""The crash walk: kill each of the portal's jobs at each lasting operation, under each fault of Cerby.

``python -m tests.crashwalk`` runs the whole walk; docs/testing.md explains the results.
"""
