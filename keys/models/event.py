"""Store the audit log."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Func, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, IsNull, LessThanOrEqual

LARGEST_LEAF = 8192
"""Bytes."""


class _Extract(Func):
    """A text in a JSON column, written in the same way by an index and by the queries that use it.

    SQLite uses an index on an expression only if the query repeats it literally, without parameters.
    """

    arity = 0
    output_field = models.TextField()
    postgresql = ""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template=self.postgresql, **extra)


class LoggedCerbyId(_Extract):
    """Cerby's id of the key, if the event records it."""

    template = """JSON_EXTRACT("details", '$."cerby_id"')"""
    postgresql = """("details" ->> 'cerby_id')"""


class LoggedEmail(_Extract):
    """The email of the person whom the event is about."""

    template = """JSON_EXTRACT("personal", '$."details.email"')"""
    postgresql = """("personal" ->> 'details.email')"""


class AuditEvent(models.Model):
    """An event of the audit log, done, refused or failed. Triggers allow only inserts.

    ``leaf`` contains the exact bytes of the tree's leaf (keys.tlog.leaf). ``mac`` proves that they were
    written with the MAC key of that time (keys.tlog.mac_ratchet). The other columns repeat the leaf for
    queries and pages, with personal values in clear text; the leaf contains only their salted hashes.
    ``personal`` maps the path of such a value in ``details`` to the value. Erasing a person clears these
    columns and ``salt``; the triggers allow no other change.

    People and keys are copied as they were, not referenced, because the log outlives both.
    """

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    uid = models.UUIDField(unique=True, default=uuid.uuid4)
    leaf = models.BinaryField(max_length=LARGEST_LEAF)
    mac = models.BinaryField(max_length=32)
    mac_chain = models.CharField(max_length=8)
    mac_epoch = models.IntegerField()
    at = models.DateTimeField()
    type = models.CharField(max_length=40)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200, blank=True)
    actor_email = models.CharField(max_length=254, blank=True)
    actor_role = models.CharField(max_length=20, blank=True)
    key_id = models.UUIDField(null=True)
    key_name = models.CharField(max_length=100, blank=True)
    ip = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    personal = models.JSONField(default=dict)
    salt = models.BinaryField(max_length=16, null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="event_outcome_is_known", condition=Q(outcome__in=["done", "refused", "failed"])
            ),
            models.CheckConstraint(
                name="event_leaf_fits",
                condition=Q(~Exact(Length("leaf"), 0), LessThanOrEqual(Length("leaf"), LARGEST_LEAF)),
            ),
            models.CheckConstraint(name="event_mac_is_whole", condition=Q(Exact(Length("mac"), 32))),
            models.CheckConstraint(
                name="event_salt_is_whole", condition=Q(salt__isnull=True) | Q(Exact(Length("salt"), 16))
            ),
        )
        indexes = (
            models.Index("at", "id", name="event_by_time"),
            models.Index("key_id", "at", "id", name="event_by_key"),
            models.Index("type", "at", "id", name="event_by_type"),
            models.Index("actor_email", "at", "id", name="event_by_actor"),
            # The last of one kind, such as a sign-in, is found at once however much the person has done.
            models.Index("actor_email", "type", "outcome", "at", name="event_by_actor_and_type"),
            # With the type, to tell refused views from other refusals without reading the rows.
            models.Index("outcome", "at", "id", "type", name="event_by_outcome"),
            models.Index("ip", "at", "id", name="event_by_ip"),
            models.Index(
                LoggedCerbyId(), name="event_by_cerby_id", condition=Q(IsNull(LoggedCerbyId(), rhs=False))
            ),
            models.Index(LoggedEmail(), name="event_by_email", condition=Q(IsNull(LoggedEmail(), rhs=False))),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.type}"
