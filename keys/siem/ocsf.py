"""Convert an event to OCSF 1.1.

The numbers identify the schema's classes Account Change, Authentication, Entity Management and API Activity.
Details without a matching attribute are copied to "unmapped".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from keys.rules.events import Event
from keys.rules.formatting import utc_microseconds
from keys.tlog.leaf import ERASED

VERSION = "1.1.0"
ACCOUNT_CHANGE, AUTHENTICATION, ENTITY_MANAGEMENT, API_ACTIVITY = 3001, 3002, 3004, 6003
CREATE, READ, UPDATE, DELETE, OTHER = 1, 2, 3, 4, 99
LOGON, LOGOFF = 1, 2
ACCOUNT_CREATE, ENABLE, PASSWORD_CHANGE, PASSWORD_RESET, DISABLE = 1, 2, 3, 4, 5
SUCCESS, FAILURE = 1, 2
INFORMATIONAL, MEDIUM = 1, 3
USER, ADMIN = 1, 2
PRODUCT = {"name": "Cerby Key Portal", "vendor_name": "Cerby Key Portal"}

CLASSES: dict[str, tuple[int, int]] = {
    Event.SIGNED_IN: (AUTHENTICATION, LOGON),
    Event.SIGNED_OUT: (AUTHENTICATION, LOGOFF),
    Event.SESSIONS_ENDED: (AUTHENTICATION, LOGOFF),
    Event.SESSIONS_CLOSED: (AUTHENTICATION, LOGOFF),
    Event.IDENTITY_CONFIRMED: (AUTHENTICATION, OTHER),
    Event.BREAK_GLASS_USED: (AUTHENTICATION, OTHER),
    Event.PASSWORD_CHANGED: (ACCOUNT_CHANGE, PASSWORD_CHANGE),
    Event.PASSWORD_RESET: (ACCOUNT_CHANGE, PASSWORD_RESET),
    **dict.fromkeys((Event.SSO_LINKED, Event.SSO_UNLINKED), (ACCOUNT_CHANGE, OTHER)),
    **dict.fromkeys((Event.FACTOR_ADDED, Event.FACTOR_RENAMED), (ACCOUNT_CHANGE, OTHER)),
    **dict.fromkeys((Event.FACTOR_REMOVED, Event.FACTORS_RESET, Event.FACTOR_ASKED), (ACCOUNT_CHANGE, OTHER)),
    **dict.fromkeys((Event.RECOVERY_CODES_MADE, Event.RECOVERY_CODE_USED), (ACCOUNT_CHANGE, OTHER)),
    Event.PERSON_ADDED: (ACCOUNT_CHANGE, ACCOUNT_CREATE),
    Event.PERSON_REMOVED: (ACCOUNT_CHANGE, DISABLE),
    Event.PERSON_CHANGED: (ACCOUNT_CHANGE, OTHER),
    Event.PERSON_REPAIRED: (ACCOUNT_CHANGE, OTHER),
    Event.PERSON_ERASED: (ACCOUNT_CHANGE, OTHER),
    Event.KEY_SOUGHT: (API_ACTIVITY, READ),
    Event.INVENTORY_EXPORTED: (API_ACTIVITY, READ),
    Event.INVENTORY_COMPARED: (API_ACTIVITY, UPDATE),
    Event.ACTIVITY_EXPORTED: (API_ACTIVITY, READ),
    Event.EVIDENCE_EXPORTED: (API_ACTIVITY, READ),
    Event.VIEW_SHARED: (API_ACTIVITY, CREATE),
    Event.VIEW_CHANGED: (API_ACTIVITY, UPDATE),
    Event.VIEW_DELETED: (API_ACTIVITY, DELETE),
    Event.CHANNEL_ADDED: (API_ACTIVITY, CREATE),
    **dict.fromkeys((Event.CHANNEL_CHANGED, Event.CHANNEL_SECRET_RENEWED), (API_ACTIVITY, UPDATE)),
    **dict.fromkeys((Event.CHANNEL_SECRET_ENDED, Event.CHANNEL_ENABLED), (API_ACTIVITY, UPDATE)),
    Event.CHANNEL_DISABLED: (API_ACTIVITY, UPDATE),
    Event.CHANNEL_REMOVED: (API_ACTIVITY, DELETE),
    Event.POLICY_PROPOSED: (API_ACTIVITY, CREATE),
    Event.POLICY_ACTIVATED: (API_ACTIVITY, UPDATE),
    **dict.fromkeys((Event.CALENDAR_MADE, Event.CALENDAR_ENDED), (ACCOUNT_CHANGE, OTHER)),
    Event.NOTIFICATIONS_CHOSEN: (ACCOUNT_CHANGE, OTHER),
    **dict.fromkeys((Event.BULK_STARTED, Event.BULK_STOPPED), (API_ACTIVITY, UPDATE)),
    Event.REVIEW_STARTED: (API_ACTIVITY, CREATE),
    **dict.fromkeys((Event.REVIEW_OPENED, Event.REVIEW_ESCALATED), (API_ACTIVITY, UPDATE)),
    **dict.fromkeys((Event.REVIEW_CLOSED, Event.REVIEW_SIGNED), (API_ACTIVITY, UPDATE)),
    Event.REVIEW_NOT_REPEATED: (API_ACTIVITY, UPDATE),
    Event.KEY_REQUESTED: (ENTITY_MANAGEMENT, CREATE),
    **dict.fromkeys((Event.KEY_CALLED, Event.KEY_AWAITED), (ENTITY_MANAGEMENT, CREATE)),
    **dict.fromkeys((Event.KEY_ISSUED, Event.KEY_PASTED), (ENTITY_MANAGEMENT, CREATE)),
    **dict.fromkeys((Event.KEY_REGISTERED, Event.KEY_DISCOVERED), (ENTITY_MANAGEMENT, CREATE)),
    **dict.fromkeys((Event.KEY_REVEALED, Event.KEY_LOOKED_UP), (ENTITY_MANAGEMENT, READ)),
    **dict.fromkeys((Event.KEY_DELETION_STARTED, Event.KEY_DELETED), (ENTITY_MANAGEMENT, DELETE)),
    **dict.fromkeys((Event.KEY_REMOVAL_CONFIRMED, Event.KEY_REMOVAL_DECLARED), (ENTITY_MANAGEMENT, DELETE)),
}
"""Class and activity. Other events are updates of their key, or "other" API activity if they have no key."""


OF_ONESELF = frozenset(
    {
        *(Event.PASSWORD_CHANGED, Event.PASSWORD_RESET, Event.FACTOR_ADDED, Event.FACTOR_RENAMED),
        *(Event.FACTOR_REMOVED, Event.RECOVERY_CODES_MADE, Event.RECOVERY_CODE_USED, Event.FACTOR_ASKED),
        *(Event.NOTIFICATIONS_CHOSEN, Event.CALENDAR_MADE, Event.CALENDAR_ENDED),
    }
)
"""Changes of an account by its person, who is the actor."""


def ocsf(index: int, event: dict[str, Any]) -> dict[str, Any]:
    """Return sealed event ``index`` as OCSF. ``event`` has the columns of its row, with details in clear."""
    kind, at, key = event["type"], event["at"], event["key_id"]
    class_uid, activity = CLASSES.get(kind, (ENTITY_MANAGEMENT, UPDATE) if key else (API_ACTIVITY, OTHER))
    if kind == Event.PERSON_CHANGED:
        activity = {"yes": ENABLE, "no": DISABLE}.get(event["details"]["after"].get("may sign in"), OTHER)
    done = event["outcome"] == "done"
    return {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "severity_id": INFORMATIONAL if done else MEDIUM,
        "status_id": SUCCESS if done else FAILURE,
        "time": _milliseconds(at),
        "message": Event(kind).label_if(event["outcome"]),
        "metadata": {
            "version": VERSION,
            "product": PRODUCT,
            "uid": str(event["uid"]),
            "event_code": f"{kind}:{event['outcome']}",
            "sequence": index,
            "original_time": utc_microseconds(at),
        },
        "actor": {"user": _actor(event)},
        "src_endpoint": {"ip": event["ip"]} if event["ip"] else {"name": "key-portal"},
        **({"status_detail": event["reason"]} if event["reason"] else {}),
        **_of_class(class_uid, event),
        "unmapped": {"details": event["details"], "browser": event["browser"]},
    }


def _of_class(class_uid: int, event: dict[str, Any]) -> dict[str, Any]:
    key = {"uid": str(event["key_id"]), "name": event["key_name"], "type": "API key"}
    if class_uid == ENTITY_MANAGEMENT:
        return {"entity": key}
    if class_uid == AUTHENTICATION:
        user = _subject(event["details"]) if event["type"] == Event.SESSIONS_ENDED else _actor(event)
        return {"user": user, "service": {"name": PRODUCT["name"]}}
    if class_uid == ACCOUNT_CHANGE:
        if event["type"] in OF_ONESELF:
            return {"user": _actor(event)}
        return {"user": _subject(event["details"])}
    return {"api": {"operation": event["type"]}, **({"resources": [key]} if event["key_id"] else {})}


def _subject(details: dict[str, Any]) -> dict[str, Any]:
    """Return the person whom the event is about."""
    user = {"email_addr": details["email"]} if "email" in details else {"uid": details.get("person", "")}
    return {"name": next(iter(user.values())), **user}


def _actor(event: dict[str, Any]) -> dict[str, Any]:
    """Return the user, without an id if the portal itself acted."""
    user: dict[str, Any] = {"name": event["actor_name"] or ERASED}
    if event["actor_id"] is not None:
        is_admin = event["actor_role"] in {"Owner", "Super Admin", "Admin"}
        user |= {"uid": str(event["actor_id"]), "type_id": ADMIN if is_admin else USER}
        user |= {"email_addr": event["actor_email"], "groups": [{"name": event["actor_role"]}]}
    return user


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
