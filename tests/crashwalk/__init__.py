"""A walk over every crash: each job of the portal dies at each thing it does for good, under each fault of Cerby's.

``python -m tests.crashwalk`` walks all of it; docs/testing.md says what that shows.
"""
