"""The tables: people, keys, the one view of a new key, what happened, saved filters, the background jobs."""

from keys.models.api_key import LISTED, ApiKey, KeyScope, SearchDocument, SearchIndex
from keys.models.event import AuditEvent
from keys.models.folding import fold
from keys.models.job import PeriodicJob
from keys.models.reveal import RevealGrant
from keys.models.saved_filter import SavedFilter
from keys.models.user import User

__all__ = [
    "LISTED",
    "ApiKey",
    "AuditEvent",
    "KeyScope",
    "PeriodicJob",
    "RevealGrant",
    "SavedFilter",
    "SearchDocument",
    "SearchIndex",
    "User",
    "fold",
]
