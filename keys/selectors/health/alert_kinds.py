"""Name the kinds of alerts, and describe an alert."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class AlertKind(enum.StrEnum):
    QUARANTINE = "quarantine"
    SWEEP_STOPPED = "sweep-stopped"
    PEOPLE_STOPPED = "people-stopped"
    SECOND_VIEW = "second-view"
    BREAK_GLASS = "break-glass"
    REMOVAL_STUCK = "removal-stuck"
    ROTATION_OVERDUE = "rotation-overdue"
    ROTATION_USED_AGAIN = "rotation-used-again"
    LEAVER_LATE = "leaver-late"
    CERBY_AWAY = "cerby-away"
    WORKER_AWAY = "worker-away"
    JOB_LATE = "job-late"
    AUDIT_LOG = "audit-log"
    RECORD_DAMAGED = "record-damaged"
    RECORD_UNREAD = "record-unread"
    ROW_REPAIRED = "row-repaired"
    ANCHOR_FAILS = "anchor-fails"
    SIEM_FAILS = "siem-fails"
    MAIL_FAILS = "mail-fails"
    ROLE_UNKNOWN = "role-unknown"
    VALUE_UNREADABLE = "value-unreadable"
    CREDENTIAL_REFUSED = "credential-refused"
    CREDENTIAL_EXPIRES = "credential-expires"

    @property
    def heading(self) -> str:
        return _HEADINGS[self]


_HEADINGS = {
    AlertKind.QUARANTINE: "The quarantine is on",
    AlertKind.SWEEP_STOPPED: "The comparison with Cerby stopped",
    AlertKind.PEOPLE_STOPPED: "Reading roles from Cerby stopped",
    AlertKind.SECOND_VIEW: "Somebody else tried to view an API key",
    AlertKind.BREAK_GLASS: "Somebody used a password for emergencies",
    AlertKind.REMOVAL_STUCK: "A removed API key may still work",
    AlertKind.ROTATION_OVERDUE: "A rotation is overdue",
    AlertKind.ROTATION_USED_AGAIN: "An old API key is used again",
    AlertKind.LEAVER_LATE: "Keys of people who left have no plan",
    AlertKind.CERBY_AWAY: "The portal cannot read from Cerby",
    AlertKind.WORKER_AWAY: "The worker is not running",
    AlertKind.JOB_LATE: "Background jobs are late",
    AlertKind.AUDIT_LOG: "The audit log needs attention",
    AlertKind.RECORD_DAMAGED: "The audit log is damaged",
    AlertKind.RECORD_UNREAD: "The audit log could not be verified",
    AlertKind.ROW_REPAIRED: "Somebody changed the database without the portal",
    AlertKind.ANCHOR_FAILS: "An anchor does not accept checkpoints",
    AlertKind.SIEM_FAILS: "A SIEM does not accept events",
    AlertKind.MAIL_FAILS: "The mail server does not accept mails",
    AlertKind.ROLE_UNKNOWN: "Cerby names a role that the portal does not know",
    AlertKind.VALUE_UNREADABLE: "Cerby sent values that cannot be read",
    AlertKind.CREDENTIAL_REFUSED: "Cerby refuses the portal's own credential",
    AlertKind.CREDENTIAL_EXPIRES: "The portal's own API key expires",
}


@dataclass(frozen=True)
class ActiveAlert:
    """``words`` describe the problem, ``advice`` says how to solve it, and ``path`` is the page to do so.
    ``help``: the address of a help page with the steps, if there is one.

    ``subject`` tells alerts of one kind apart, such as the id of a key.
    """

    kind: AlertKind
    subject: str
    words: str
    advice: str
    path: str
    help: str = ""

    @property
    def heading(self) -> str:
        return self.kind.heading
