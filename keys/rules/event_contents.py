"""List the details and outcomes that each type of audit event may have."""

from __future__ import annotations

from keys.rules.events import Event

OWNERSHIP = frozenset({"accountable", "backup", "team", "system", "kind", "environment", "review_on", "tags"})
"""Details that say who answers for a key and what it is for."""

ROTATION = frozenset({"rotation", "new_key", "before", "after"})
"""Details of every event about a rotation, which names the old key as its key."""

VERDICT = frozenset({"request", "digest"})
"""Details of every event about a request: its id, and the hash of the frozen act."""

REQUEST = VERDICT | {"kind", "needed", "least_role", "until", "frozen"}
"""Details of the event that opens a request. ``frozen`` is the document without the people."""

REVIEW = frozenset({"campaign", "review"})
"""Details of every event about a review: the id and the name of the campaign."""

IN_ANY_EVENT = frozenset({"part_of"})
"""Details that every event may have: the id of the act on several keys that the event is a part of."""

DETAILS: dict[Event, frozenset[str]] = {
    Event.KEY_REQUESTED: frozenset({"scopes", "expires_at", "purpose", "request", "digest"}) | OWNERSHIP,
    Event.KEY_ISSUED: frozenset(
        {"cerby_id", "scopes", "created_at", "expires_at", "last_four", "fingerprint_digest"}
    ),
    Event.KEY_ANSWER_LOST: frozenset({"cerby_id"}),
    Event.KEY_PASTED: frozenset(
        {"scopes", "not_granted", "not_checkable", "last_four", "fingerprint_digest"}
    ),
    Event.KEY_REGISTERED: frozenset(
        {
            *("origin", "owner", "owner_id", "scopes", "not_granted", "not_checkable"),
            *("created_at", "created_known", "expires_at", "purpose", "last_four", "fingerprint_digest"),
            *("import", "note"),
        }
    )
    | OWNERSHIP,
    Event.KEY_IDENTIFIED: frozenset({"cerby_id", "created_at", "created_known"}),
    Event.KEY_SOUGHT: frozenset({"candidates", "hits", "notifications"}),
    Event.KEY_LOOKED_UP: frozenset({"found", "cerby_id"}),
    Event.KEY_REVEALED: frozenset({"thumbprint", "further_refusals"}),
    Event.KEY_SAVE_STARTED: frozenset({"vault"}),
    Event.KEY_STORED: frozenset({"how", "vault", "secret_id", "shared", "further_refusals"}),
    Event.KEY_RESCOPE_STARTED: frozenset({"before", "after", "request", "digest"}),
    Event.KEY_RESCOPED: frozenset({"before", "after"}),
    Event.KEY_DELETION_STARTED: frozenset({"from_state"}),
    Event.KEY_REMOVAL_DECLARED: frozenset({"from_state", "shown"}),
    Event.KEY_CONFIRMED: frozenset({"seen_at"}),
    Event.KEY_READ: frozenset({"read_at", "last_used_at", "expires_at", "former_expires_at"}),
    Event.KEY_DISCOVERED: frozenset({"cerby_id", "owner_id", "scopes", "created_at", "expires_at"}),
    Event.KEY_ADOPTED: frozenset({"purpose", "accountable"}),
    Event.KEY_EDITED: frozenset({"before", "after"}),
    Event.KEY_CORRECTED: frozenset({"before", "after", "owner_id"}),
    Event.KEY_WITHDRAWN: frozenset({"import"}),
    Event.KEY_CHANGED: frozenset({"before", "after", "owner_id", "removed_at"}),
    Event.KEY_REPAIRED: frozenset({"before", "after", "owner_id"}),
    Event.KEY_REACH_GREW: frozenset({"grown", "reach", "since"}),
    Event.KEY_REACH_ACCEPTED: frozenset({"reach"}),
    Event.ROTATION_STARTED: ROTATION | {"because", "overlap", "until", "quiet_after"},
    Event.ROTATION_ADVANCED: ROTATION | {"until", "used_at", "as_of"},
    Event.ROTATION_USED_AGAIN: ROTATION | {"used_at", "as_of"},
    Event.ROTATION_MISSED: ROTATION,
    Event.ROTATION_EXTENDED: ROTATION | {"until", "former_until"},
    **dict.fromkeys((Event.ROTATION_RETIRED, Event.ROTATION_KILLED), ROTATION | {"proof"}),
    Event.ROTATION_CALLED_OFF: ROTATION,
    Event.ROTATION_ASKED: frozenset({"due_on", "assigned"}),
    Event.REQUEST_OPENED: REQUEST,
    Event.REQUEST_BREAK_GLASS: REQUEST | {"ticket"},
    Event.REQUEST_OFFERED: VERDICT | {"scopes"},
    **dict.fromkeys(
        (
            *(Event.REQUEST_APPROVED, Event.REQUEST_DENIED, Event.REQUEST_OFFER_ACCEPTED),
            *(Event.REQUEST_OFFER_DECLINED, Event.REQUEST_WITHDRAWN, Event.REQUEST_OUT_OF_DATE),
            *(Event.REQUEST_USED, Event.REQUEST_REVIEWED),
        ),
        VERDICT,
    ),
    Event.ROTATION_TASK_WITHDRAWN: frozenset(),
    Event.KEY_OWNER_LEFT: frozenset({"person", "email", "assigned"}),
    Event.KEY_PLANNED: frozenset({"person", "email", "decision", "to", "until"}),
    Event.BULK_STARTED: frozenset({"act", "count", "list_digest", "request", "digest"}),
    Event.BULK_STOPPED: frozenset({"act", "count"}),
    Event.SWEEP_STOPPED: frozenset({"revocations", "keys"}),
    Event.PAUSE_STARTED: frozenset({"until"}),
    Event.QUARANTINE_STARTED: frozenset({"cause"}),
    Event.QUARANTINE_ENDED: frozenset({"keys"}),
    Event.KEY_KEPT: frozenset({"cerby_id", "from_state"}),
    Event.INVENTORY_SEARCHED: frozenset({"filter"}),
    Event.INVENTORY_COMPARED: frozenset({"group", "count", "rows", "unreadable", "whole_table"}),
    Event.INVENTORY_EXPORTED: frozenset({"filter", "count"}),
    Event.ACTIVITY_EXPORTED: frozenset({"filter", "count"}),
    Event.VIEW_SHARED: frozenset({"view", "page", "name", "filter"}),
    Event.VIEW_CHANGED: frozenset({"view", "page", "name", "before", "after"}),
    Event.VIEW_DELETED: frozenset({"view", "page", "name", "filter"}),
    Event.ATTEMPT_REFUSED: frozenset({"action", "further_refusals"}),
    Event.SIGNED_IN: frozenset(
        {"method", "provider", "email", "password_digest", "new_browser", "further_refusals"}
    ),
    Event.SESSIONS_ENDED: frozenset({"person", "email"}),
    Event.SESSIONS_CLOSED: frozenset({"count"}),
    Event.IDENTITY_CONFIRMED: frozenset({"method", "provider", "further_refusals"}),
    Event.PASSWORD_CHANGED: frozenset({"password_digest", "further_refusals"}),
    Event.PASSWORD_RESET: frozenset({"password_digest"}),
    Event.SSO_LINKED: frozenset({"person", "email", "provider", "subject"}),
    Event.SSO_UNLINKED: frozenset({"person", "email", "provider"}),
    Event.FACTOR_ADDED: frozenset({"method", "factor_digest"}),
    Event.FACTOR_RENAMED: frozenset({"method", "factor"}),
    Event.FACTOR_REMOVED: frozenset({"method", "factor"}),
    Event.FACTORS_RESET: frozenset({"person", "email", "count"}),
    Event.FACTOR_ASKED: frozenset({"until"}),
    Event.RECOVERY_CODES_MADE: frozenset({"count", "factor_digest"}),
    Event.RECOVERY_CODE_USED: frozenset({"factor", "remaining"}),
    Event.PERSON_ADDED: frozenset({"person", "email", "role", "link"}),
    Event.PERSON_REMOVED: frozenset({"person", "email", "before", "after"}),
    Event.PERSON_CHANGED: frozenset({"person", "email", "before", "after"}),
    Event.PERSON_REPAIRED: frozenset({"person", "email", "before", "after"}),
    Event.PERSON_ERASED: frozenset({"person", "events", "leaves"}),
    Event.ERASED_LISTED: frozenset({"events", "leaves"}),
    Event.ROLES_REFRESHED: frozenset({"count"}),
    Event.RECORD_VERIFIED: frozenset({"events", "damage"}),
    Event.DAMAGE_EXPLAINED: frozenset({"damage", "explanation"}),
    Event.FORGERY_FOUND: frozenset({"events", "leaves"}),
    Event.PEOPLE_STOPPED: frozenset({"losing", "people"}),
    Event.POLICY_APPLIED: frozenset({"settings", "rules"}),
    Event.POLICY_PROPOSED: frozenset(
        {"version", "base", "document_digest", "preview_digest", "changes", "newly_outside", "needs_approval"}
    ),
    Event.POLICY_ACTIVATED: frozenset({"version", "base", "document_digest", "preview_digest", "alone"}),
    Event.POLICY_DECLINED: frozenset({"version", "document_digest"}),
    Event.POLICY_WITHDRAWN: frozenset({"version", "document_digest"}),
    Event.EXCEPTION_ASKED: frozenset({"exception", "rule", "days"}),
    Event.EXCEPTION_GRANTED: frozenset({"exception", "rule", "until"}),
    Event.EXCEPTION_DECLINED: frozenset({"exception", "rule"}),
    Event.EXCEPTION_ENDED: frozenset({"exception", "rule"}),
    Event.EVIDENCE_EXPORTED: frozenset({"since", "until", "as_of", "person", "email"}),
    Event.CHANNEL_ADDED: frozenset(
        {"channel", "name", "sort", "host", "kinds", "address_digest", "secrets_digest"}
    ),
    Event.CHANNEL_CHANGED: frozenset({"channel", "name", "before", "after"}),
    Event.CHANNEL_TESTED: frozenset({"channel", "name"}),
    Event.CHANNEL_SECRET_RENEWED: frozenset({"channel", "name", "until", "secrets_digest"}),
    Event.CHANNEL_SECRET_ENDED: frozenset({"channel", "name", "secrets_digest"}),
    Event.CHANNEL_DISABLED: frozenset({"channel", "name"}),
    Event.CHANNEL_ENABLED: frozenset({"channel", "name"}),
    Event.CHANNEL_REMOVED: frozenset({"channel", "name", "sort", "host"}),
    Event.DELIVERY_REPEATED: frozenset({"channel", "name", "notification"}),
    Event.NOTIFICATIONS_CHOSEN: frozenset({"before", "after", "chosen"}),
    Event.REVIEW_STARTED: REVIEW | {"filter", "due_on", "cadence", "reviewers"},
    Event.REVIEW_OPENED: REVIEW | {"count", "items_digest"},
    Event.REVIEW_ESCALATED: REVIEW | {"count"},
    **dict.fromkeys((Event.REVIEW_CLOSED, Event.REVIEW_SIGNED), REVIEW | {"answers"}),
    Event.REVIEW_NOT_REPEATED: REVIEW,
    Event.KEY_REVIEWED: REVIEW | {"answer", "milliseconds", "together"},
    Event.KEY_REVIEW_MOVED: REVIEW | {"to"},
    Event.KEY_REVIEW_DONE: REVIEW | {"answer", "declared"},
    Event.KEY_NOT_CERTIFIED: REVIEW | {"void"},
}
"""The details that an event may have. An event that is not listed has none."""

DONE = frozenset({"done"})
OUTCOMES: dict[Event, frozenset[str]] = {
    Event.KEY_ISSUED: frozenset({"done", "failed"}),
    Event.KEY_REVEALED: frozenset({"done", "refused"}),
    Event.KEY_STORED: frozenset({"done", "failed", "refused"}),
    Event.KEY_RESCOPED: frozenset({"done", "failed"}),
    Event.KEY_DELETED: frozenset({"done", "failed"}),
    Event.KEY_REPAIRED: frozenset({"done", "failed"}),
    Event.PERSON_REPAIRED: frozenset({"done", "failed"}),
    Event.SWEEP_STOPPED: frozenset({"failed"}),
    Event.PEOPLE_STOPPED: frozenset({"failed"}),
    Event.ATTEMPT_REFUSED: frozenset({"refused"}),
    Event.SIGNED_IN: frozenset({"done", "refused"}),
    Event.IDENTITY_CONFIRMED: frozenset({"done", "refused"}),
    Event.PASSWORD_CHANGED: frozenset({"done", "refused"}),
    Event.RECORD_VERIFIED: frozenset({"done", "failed"}),
}
"""The outcomes that an event may have. An event that is not listed is always done."""
