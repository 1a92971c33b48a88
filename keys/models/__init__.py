"""The tables: people, keys, the one view of a new key, what happened and its tree, the background jobs."""

from keys.models.api_key import LISTED, ApiKey, KeyScope, SearchDocument, SearchIndex
from keys.models.event import AuditEvent
from keys.models.folding import fold
from keys.models.job import PeriodicJob
from keys.models.reveal import RevealGrant
from keys.models.tree import Checkpoint, Sealed, TreeHead, TreeNode, Unsealed
from keys.models.user import User
from keys.models.verification import Anchor, Verification

__all__ = [
    "LISTED",
    "Anchor",
    "ApiKey",
    "AuditEvent",
    "Checkpoint",
    "KeyScope",
    "PeriodicJob",
    "RevealGrant",
    "Sealed",
    "SearchDocument",
    "SearchIndex",
    "TreeHead",
    "TreeNode",
    "Unsealed",
    "User",
    "Verification",
    "fold",
]
