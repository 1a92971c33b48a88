"""Define the tables: people and keys, the audit log and its tree, figures, and background work."""

from keys.models.alert import Alert, Reminder
from keys.models.api_key import LISTED, ApiKey
from keys.models.cerby import CredentialRefusal, DroppedValue
from keys.models.channel import Channel, Delivery
from keys.models.comparison import Comparison
from keys.models.delivery_target import Anchor, BackoffTarget, DeliveryTarget, SiemTarget
from keys.models.event import AuditEvent, LoggedCerbyId, LoggedEmail
from keys.models.figures import DashboardFigures
from keys.models.job import PeriodicJob
from keys.models.leaving import LeaverPlan
from keys.models.node import MacChain, Node
from keys.models.notification import CalendarFeed, InboxItem, Notification, NotificationChoice
from keys.models.policy import Finding, KeyFacts, PolicyVersion
from keys.models.policy_exception import PolicyException
from keys.models.reach import Reach
from keys.models.refusal import RefusalCount
from keys.models.request import AccessRequest, Verdict
from keys.models.reveal import RevealGrant
from keys.models.review import Campaign, Certificate, ReviewItem
from keys.models.rotation import Rotation
from keys.models.rotation_task import RotationTask
from keys.models.safeguards import HeldBack, Pause, Quarantine
from keys.models.saved_view import SavedView
from keys.models.scope_change import ScopeChange
from keys.models.search import KeyScope, KeyTag, SearchDocument, SearchIndex
from keys.models.selection import SelectedKey, Selection
from keys.models.session import Session, SessionStore
from keys.models.sso import SsoLink, SsoRequest
from keys.models.throttle import Throttle
from keys.models.tree import Checkpoint, Sealed, TreeHead, TreeNode, Unsealed
from keys.models.user import User
from keys.models.verification import Verification

__all__ = [
    "LISTED",
    "AccessRequest",
    "Alert",
    "Anchor",
    "ApiKey",
    "AuditEvent",
    "BackoffTarget",
    "CalendarFeed",
    "Campaign",
    "Certificate",
    "Channel",
    "Checkpoint",
    "Comparison",
    "CredentialRefusal",
    "DashboardFigures",
    "Delivery",
    "DeliveryTarget",
    "DroppedValue",
    "Finding",
    "HeldBack",
    "InboxItem",
    "KeyFacts",
    "KeyScope",
    "KeyTag",
    "LeaverPlan",
    "LoggedCerbyId",
    "LoggedEmail",
    "MacChain",
    "Node",
    "Notification",
    "NotificationChoice",
    "Pause",
    "PeriodicJob",
    "PolicyException",
    "PolicyVersion",
    "Quarantine",
    "Reach",
    "RefusalCount",
    "Reminder",
    "RevealGrant",
    "ReviewItem",
    "Rotation",
    "RotationTask",
    "SavedView",
    "ScopeChange",
    "Sealed",
    "SearchDocument",
    "SearchIndex",
    "SelectedKey",
    "Selection",
    "Session",
    "SessionStore",
    "SiemTarget",
    "SsoLink",
    "SsoRequest",
    "Throttle",
    "TreeHead",
    "TreeNode",
    "Unsealed",
    "User",
    "Verdict",
    "Verification",
]
