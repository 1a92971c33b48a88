"""The tables: people, keys, the one view of a key, what happened, figures, the jobs, what holds them back."""

from keys.models.alert import Alert, Reminder
from keys.models.api_key import LISTED, ApiKey, KeyScope, SearchDocument, SearchIndex
from keys.models.event import AuditEvent
from keys.models.figures import DashboardFigures
from keys.models.folding import fold
from keys.models.job import PeriodicJob
from keys.models.reveal import RevealGrant
from keys.models.standing import HeldBack, Pause, Quarantine
from keys.models.user import User

__all__ = [
    "LISTED",
    "Alert",
    "ApiKey",
    "AuditEvent",
    "DashboardFigures",
    "HeldBack",
    "KeyScope",
    "Pause",
    "PeriodicJob",
    "Quarantine",
    "Reminder",
    "RevealGrant",
    "SearchDocument",
    "SearchIndex",
    "User",
    "fold",
]
