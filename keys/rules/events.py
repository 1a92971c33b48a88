"""List the audit event types, with their labels, allowed details and outcomes."""

from __future__ import annotations

import enum

ASKED_ELSEWHERE = "(Asked from another session.)"
"""The end of the reason if a view is refused because another session asks for it. Alerts search for it."""


class Event(enum.StrEnum):
    """Event types as ``resource:verb``. The outcome is stored separately. docs/audit.md describes them."""

    KEY_REQUESTED = "key:request"
    KEY_CALLED = "key:call"
    KEY_AWAITED = "key:await"
    KEY_PASTED = "key:paste"
    KEY_REGISTERED = "key:register"
    KEY_IDENTIFIED = "key:identify"
    KEY_SOUGHT = "key:find"
    KEY_ISSUED = "key:issue"
    KEY_ANSWER_LOST = "key:lose-answer"
    KEY_CANCELLED = "key:cancel"
    KEY_LOOKED_UP = "key:look-up"
    KEY_REVEALED = "key:reveal"
    KEY_SAVE_STARTED = "key:start-save"
    KEY_STORED = "key:store"
    KEY_RESCOPE_STARTED = "key:start-rescope"
    KEY_RESCOPED = "key:rescope"
    KEY_DELETION_STARTED = "key:start-delete"
    KEY_DELETED = "key:delete"
    KEY_REMOVAL_CONFIRMED = "key:confirm-removal"
    KEY_REMOVAL_DECLARED = "key:declare-removed"
    KEY_CONFIRMED = "key:confirm"
    KEY_READ = "key:reading"
    KEY_DISCOVERED = "key:discover"
    KEY_ADOPTED = "key:adopt"
    KEY_EDITED = "key:edit"
    KEY_CORRECTED = "key:correct"
    KEY_WITHDRAWN = "key:withdraw"
    KEY_CHANGED = "key:change"
    KEY_MISSING = "key:miss"
    KEY_REMINDED = "key:remind"
    KEY_REACH_GREW = "key:reach-grow"
    KEY_REACH_ACCEPTED = "key:reach-accept"
    ROTATION_STARTED = "rotation:start"
    ROTATION_ADVANCED = "rotation:advance"
    ROTATION_USED_AGAIN = "rotation:use-again"
    ROTATION_MISSED = "rotation:miss"
    ROTATION_EXTENDED = "rotation:extend"
    ROTATION_RETIRED = "rotation:retire"
    ROTATION_KILLED = "rotation:kill"
    ROTATION_CALLED_OFF = "rotation:call-off"
    ROTATION_ASKED = "key:ask-rotation"
    REQUEST_OPENED = "request:open"
    REQUEST_BREAK_GLASS = "request:break-glass"
    REQUEST_APPROVED = "request:approve"
    REQUEST_DENIED = "request:deny"
    REQUEST_OFFERED = "request:offer"
    REQUEST_OFFER_ACCEPTED = "request:accept"
    REQUEST_OFFER_DECLINED = "request:decline"
    REQUEST_WITHDRAWN = "request:withdraw"
    REQUEST_OUT_OF_DATE = "request:go-stale"
    REQUEST_USED = "request:use"
    REQUEST_REVIEWED = "request:review"
    ROTATION_TASK_WITHDRAWN = "key:withdraw-rotation"
    KEY_OWNER_LEFT = "key:owner-leave"
    KEY_PLANNED = "key:plan"
    BULK_STARTED = "bulk:start"
    BULK_STOPPED = "bulk:stop"
    KEY_REPAIRED = "key:repair"
    SWEEP_STOPPED = "sweep:stop"
    PAUSE_STARTED = "pause:start"
    QUARANTINE_STARTED = "quarantine:start"
    QUARANTINE_ENDED = "quarantine:end"
    KEY_KEPT = "key:keep"
    INVENTORY_VIEWED = "inventory:view"
    INVENTORY_SEARCHED = "inventory:search"
    INVENTORY_COMPARED = "inventory:compare"
    INVENTORY_EXPORTED = "inventory:export"
    ACTIVITY_EXPORTED = "activity:export"
    VIEW_SHARED = "view:share"
    VIEW_CHANGED = "view:change"
    VIEW_DELETED = "view:delete"
    ATTEMPT_REFUSED = "attempt:refuse"
    SIGNED_IN = "session:start"
    SIGNED_OUT = "session:end"
    SESSIONS_ENDED = "session:revoke"
    SESSIONS_CLOSED = "session:close"
    IDENTITY_CONFIRMED = "session:confirm"
    BREAK_GLASS_USED = "session:break-glass"
    PASSWORD_CHANGED = "password:change"  # noqa: S105 - the name of an event
    PASSWORD_RESET = "password:reset"  # noqa: S105 - the name of an event
    SSO_LINKED = "sso:link"
    SSO_UNLINKED = "sso:unlink"
    FACTOR_ADDED = "factor:add"
    FACTOR_RENAMED = "factor:rename"
    FACTOR_REMOVED = "factor:remove"
    FACTORS_RESET = "factor:reset"
    FACTOR_ASKED = "factor:ask"
    RECOVERY_CODES_MADE = "factor:make-codes"
    RECOVERY_CODE_USED = "factor:use-code"
    PERSON_ADDED = "person:add"
    PERSON_REMOVED = "person:remove"
    PERSON_CHANGED = "person:change"
    PERSON_REPAIRED = "person:repair"
    PERSON_ERASED = "person:erase"
    ERASED_LISTED = "record:list-erased"
    ROLES_REFRESHED = "roles:refresh"
    VERIFICATION_STARTED = "record:start-verify"
    RECORD_VERIFIED = "record:verify"
    DAMAGE_EXPLAINED = "record:explain"
    FORGERY_FOUND = "record:find-forgery"
    PEOPLE_STOPPED = "roles:stop"
    POLICY_APPLIED = "policy:apply"
    POLICY_PROPOSED = "policy:propose"
    POLICY_ACTIVATED = "policy:activate"
    POLICY_DECLINED = "policy:decline"
    POLICY_WITHDRAWN = "policy:withdraw"
    EXCEPTION_ASKED = "exception:ask"
    EXCEPTION_GRANTED = "exception:grant"
    EXCEPTION_DECLINED = "exception:decline"
    EXCEPTION_ENDED = "exception:end"
    EVIDENCE_EXPORTED = "evidence:export"
    CHANNEL_ADDED = "channel:add"
    CHANNEL_CHANGED = "channel:change"
    CHANNEL_TESTED = "channel:test"
    CHANNEL_SECRET_RENEWED = "channel:renew-secret"  # noqa: S105 - the name of an event
    CHANNEL_SECRET_ENDED = "channel:end-secret"  # noqa: S105 - the name of an event
    CHANNEL_DISABLED = "channel:disable"
    CHANNEL_ENABLED = "channel:enable"
    CHANNEL_REMOVED = "channel:remove"
    DELIVERY_REPEATED = "channel:repeat"
    NOTIFICATIONS_CHOSEN = "notification:choose"
    CALENDAR_MADE = "calendar:make"
    CALENDAR_ENDED = "calendar:end"
    REVIEW_STARTED = "review:start"
    REVIEW_OPENED = "review:open"
    REVIEW_ESCALATED = "review:escalate"
    REVIEW_CLOSED = "review:close"
    REVIEW_SIGNED = "review:sign"
    REVIEW_NOT_REPEATED = "review:stop-repeating"
    KEY_REVIEWED = "key:review"
    KEY_REVIEW_MOVED = "key:move-review"
    KEY_REVIEW_DONE = "key:finish-review"
    KEY_NOT_CERTIFIED = "key:void-certificate"

    @property
    def label(self) -> str:
        return _LABELS[self]

    def label_if(self, outcome: str) -> str:
        """Return the words for an event with this outcome. They never claim what did not happen."""
        return _LABELS_UNLESS_DONE.get((self, outcome), self.label)


_LABELS = {
    Event.KEY_REQUESTED: "API key requested",
    Event.KEY_CALLED: "Asked Cerby for the key",
    Event.KEY_AWAITED: "Waiting for the key to be pasted",
    Event.KEY_PASTED: "API key pasted",
    Event.KEY_REGISTERED: "API key registered",
    Event.KEY_IDENTIFIED: "API key found in Cerby's list",
    Event.KEY_SOUGHT: "Looked for keys in a text",
    Event.KEY_ISSUED: "API key generated",
    Event.KEY_ANSWER_LOST: "Cerby's answer was lost",
    Event.KEY_CANCELLED: "Request cancelled",
    Event.KEY_LOOKED_UP: "Looked up in Cerby",
    Event.KEY_REVEALED: "API key viewed",
    Event.KEY_SAVE_STARTED: "Saving in Cerby started",
    Event.KEY_STORED: "API key stored",
    Event.KEY_RESCOPE_STARTED: "Scope change started",
    Event.KEY_RESCOPED: "Scopes changed",
    Event.KEY_DELETION_STARTED: "Deletion started",
    Event.KEY_DELETED: "API key deleted",
    Event.KEY_REMOVAL_CONFIRMED: "Deletion in Cerby confirmed by hand",
    Event.KEY_REMOVAL_DECLARED: "Declared as removed by a person",
    Event.KEY_CONFIRMED: "API key confirmed against Cerby's web app",
    Event.KEY_READ: "Reading entered by a person",
    Event.KEY_DISCOVERED: "API key discovered in Cerby",
    Event.KEY_ADOPTED: "API key adopted",
    Event.KEY_EDITED: "API key edited",
    Event.KEY_CORRECTED: "API key corrected",
    Event.KEY_WITHDRAWN: "Registration withdrawn",
    Event.KEY_CHANGED: "API key changed in Cerby",
    Event.KEY_MISSING: "API key missing in Cerby",
    Event.KEY_REMINDED: "Owner reminded by a person",
    Event.KEY_REACH_GREW: "Reach of an API key grew",
    Event.KEY_REACH_ACCEPTED: "Grown reach of an API key accepted",
    Event.ROTATION_STARTED: "Rotation started",
    Event.ROTATION_ADVANCED: "Rotation went on",
    Event.ROTATION_USED_AGAIN: "Old key used again during a rotation",
    Event.ROTATION_MISSED: "Rotation overdue",
    Event.ROTATION_EXTENDED: "Overlap of a rotation extended",
    Event.ROTATION_RETIRED: "Old key of a rotation retired",
    Event.ROTATION_KILLED: "Old key of a rotation killed",
    Event.ROTATION_CALLED_OFF: "Rotation called off",
    Event.ROTATION_ASKED: "Rotation asked for",
    Event.REQUEST_OPENED: "Approval requested",
    Event.REQUEST_BREAK_GLASS: "Went on without approval",
    Event.REQUEST_APPROVED: "Request approved",
    Event.REQUEST_DENIED: "Request denied",
    Event.REQUEST_OFFERED: "Narrower key offered",
    Event.REQUEST_OFFER_ACCEPTED: "Narrower key accepted",
    Event.REQUEST_OFFER_DECLINED: "Narrower key declined",
    Event.REQUEST_WITHDRAWN: "Request withdrawn",
    Event.REQUEST_OUT_OF_DATE: "Request out of date",
    Event.REQUEST_USED: "Approval used",
    Event.REQUEST_REVIEWED: "Act without approval reviewed",
    Event.ROTATION_TASK_WITHDRAWN: "Rotation no longer asked for",
    Event.KEY_OWNER_LEFT: "Task to plan a leaver's API key",
    Event.KEY_PLANNED: "Leaver's API key planned",
    Event.BULK_STARTED: "Bulk action started",
    Event.BULK_STOPPED: "Bulk action stopped",
    Event.KEY_REPAIRED: "Inventory row restored from the audit log",
    Event.SWEEP_STOPPED: "Comparison with Cerby stopped",
    Event.PAUSE_STARTED: "Cerby asked for a pause",
    Event.QUARANTINE_STARTED: "Quarantine started",
    Event.QUARANTINE_ENDED: "Quarantine ended",
    Event.KEY_KEPT: "API key kept",
    Event.INVENTORY_VIEWED: "Inventory viewed",
    Event.INVENTORY_SEARCHED: "Inventory searched",
    Event.INVENTORY_COMPARED: "Inventory compared with Cerby's web app by hand",
    Event.INVENTORY_EXPORTED: "Inventory downloaded",
    Event.ACTIVITY_EXPORTED: "Activity downloaded",
    Event.VIEW_SHARED: "View shared",
    Event.VIEW_CHANGED: "Shared view changed",
    Event.VIEW_DELETED: "Shared view deleted",
    Event.ATTEMPT_REFUSED: "Attempt refused",
    Event.SIGNED_IN: "Signed in",
    Event.SIGNED_OUT: "Signed out",
    Event.SESSIONS_ENDED: "Sessions ended by an admin",
    Event.SESSIONS_CLOSED: "Signed out in other browsers",
    Event.IDENTITY_CONFIRMED: "Identity confirmed",
    Event.BREAK_GLASS_USED: "Password used in an emergency",
    Event.PASSWORD_CHANGED: "Password changed",
    Event.PASSWORD_RESET: "Password set by link",
    Event.SSO_LINKED: "Linked with SSO",
    Event.SSO_UNLINKED: "Unlinked from SSO",
    Event.FACTOR_ADDED: "Second factor added",
    Event.FACTOR_RENAMED: "Passkey renamed",
    Event.FACTOR_REMOVED: "Second factor removed",
    Event.FACTORS_RESET: "Second factors removed by an admin",
    Event.FACTOR_ASKED: "Asked to add a second factor",
    Event.RECOVERY_CODES_MADE: "Recovery codes generated",
    Event.RECOVERY_CODE_USED: "Recovery code used",
    Event.PERSON_ADDED: "Person added",
    Event.PERSON_REMOVED: "Person removed from the portal",
    Event.PERSON_CHANGED: "Person changed in Cerby",
    Event.PERSON_REPAIRED: "Person's row contradicted the audit log",
    Event.PERSON_ERASED: "Person erased from the audit log",
    Event.ERASED_LISTED: "Earlier erased events listed",
    Event.ROLES_REFRESHED: "Roles read from Cerby",
    Event.VERIFICATION_STARTED: "Verification of the audit log started",
    Event.RECORD_VERIFIED: "Audit log verified",
    Event.FORGERY_FOUND: "Forged event found",
    Event.DAMAGE_EXPLAINED: "Damage to the audit log explained",
    Event.PEOPLE_STOPPED: "Reading roles stopped",
    Event.POLICY_APPLIED: "Rules in force changed",
    Event.POLICY_PROPOSED: "Policy proposed",
    Event.POLICY_ACTIVATED: "Policy came into force",
    Event.POLICY_DECLINED: "Proposed policy declined",
    Event.POLICY_WITHDRAWN: "Proposed policy withdrawn",
    Event.EXCEPTION_ASKED: "Exception from the policy asked for",
    Event.EXCEPTION_GRANTED: "Exception from the policy granted",
    Event.EXCEPTION_DECLINED: "Exception from the policy declined",
    Event.EXCEPTION_ENDED: "Exception from the policy ended",
    Event.EVIDENCE_EXPORTED: "Evidence pack downloaded",
    Event.CHANNEL_ADDED: "Channel added",
    Event.CHANNEL_CHANGED: "Channel changed",
    Event.CHANNEL_TESTED: "Test sent to a channel",
    Event.CHANNEL_SECRET_RENEWED: "Secret of a channel renewed",
    Event.CHANNEL_SECRET_ENDED: "Former secrets of a channel ended",
    Event.CHANNEL_DISABLED: "Channel disabled",
    Event.CHANNEL_ENABLED: "Channel enabled",
    Event.CHANNEL_REMOVED: "Channel removed",
    Event.DELIVERY_REPEATED: "Notification sent to a channel again",
    Event.NOTIFICATIONS_CHOSEN: "Chose what to be told",
    Event.CALENDAR_MADE: "Address of the calendar made",
    Event.CALENDAR_ENDED: "Address of the calendar ended",
    Event.REVIEW_STARTED: "Review started",
    Event.REVIEW_OPENED: "Review opened with a frozen list of keys",
    Event.REVIEW_ESCALATED: "Review overdue",
    Event.REVIEW_CLOSED: "Review closed",
    Event.REVIEW_SIGNED: "Review signed off",
    Event.REVIEW_NOT_REPEATED: "Review is not repeated any more",
    Event.KEY_REVIEWED: "API key reviewed",
    Event.KEY_REVIEW_MOVED: "Review of an API key moved to another person",
    Event.KEY_REVIEW_DONE: "Decision of a review carried out",
    Event.KEY_NOT_CERTIFIED: "Certificate of an API key ended",
}

_LABELS_UNLESS_DONE = {
    (Event.KEY_ISSUED, "failed"): "API key not generated",
    (Event.KEY_REVEALED, "refused"): "View of an API key refused",
    (Event.KEY_STORED, "failed"): "Saving in Cerby failed",
    (Event.KEY_STORED, "refused"): "Saving in Cerby refused",
    (Event.KEY_RESCOPED, "failed"): "Scope change failed",
    (Event.KEY_DELETED, "failed"): "Deletion failed",
    (Event.KEY_REPAIRED, "failed"): "Inventory row not restored from the audit log",
    (Event.SIGNED_IN, "refused"): "Sign-in refused",
    (Event.IDENTITY_CONFIRMED, "refused"): "Identity not confirmed",
    (Event.PASSWORD_CHANGED, "refused"): "Password not changed",
    (Event.RECORD_VERIFIED, "failed"): "Verification of the audit log failed",
}
"""The labels of events whose own label would claim that something was done. The others are true anyway."""

BEGINS = (Event.KEY_REQUESTED, Event.KEY_REGISTERED, Event.KEY_DISCOVERED)
"""The possible first events of a key."""

URGENT = frozenset(
    {
        *(Event.KEY_REVEALED, Event.KEY_DELETION_STARTED, Event.KEY_DELETED, Event.ROTATION_RETIRED),
        *(Event.ROTATION_KILLED, Event.QUARANTINE_STARTED, Event.QUARANTINE_ENDED, Event.PASSWORD_CHANGED),
        *(Event.PASSWORD_RESET, Event.SESSIONS_ENDED, Event.SESSIONS_CLOSED, Event.BREAK_GLASS_USED),
        *(Event.SSO_LINKED, Event.SSO_UNLINKED, Event.FACTOR_ADDED, Event.FACTOR_REMOVED),
        *(Event.FACTORS_RESET, Event.RECOVERY_CODES_MADE, Event.RECOVERY_CODE_USED, Event.PERSON_ADDED),
        *(Event.PERSON_REMOVED, Event.PERSON_CHANGED, Event.PERSON_REPAIRED, Event.KEY_REPAIRED),
        *(Event.REQUEST_BREAK_GLASS, Event.REQUEST_APPROVED, Event.REQUEST_USED),
        *(Event.PERSON_ERASED, Event.ERASED_LISTED, Event.ROLES_REFRESHED, Event.POLICY_APPLIED),
        *(Event.POLICY_PROPOSED, Event.POLICY_ACTIVATED),
        *(Event.DAMAGE_EXPLAINED, Event.FORGERY_FOUND),
    }
)
"""Events after which a checkpoint is signed at once: reveals, deletions and changes of permissions."""
