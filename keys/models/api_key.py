"""Store API keys."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Coalesce

from keys.models.agent import OUTSIDE
from keys.models.folding import Folded, FoldingQuerySet
from keys.models.ownership import INDEXES, OwnershipColumns
from keys.models.user import User
from keys.rules.folded_text import fold
from keys.rules.lifecycle import HOLDS_ITS_NAME, PHASE, QUICK_RETRIES, Phase, State
from keys.rules.permissions import Actor, Answering, Role
from keys.rules.readings import Gaps, gaps_after
from keys.rules.visible import named

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""The time that sorts keys that were never used before all others."""


NOT_LISTED = {Phase.FAILED, Phase.WITHDRAWN}
"""The phases of rows that are no keys: lists show them only if a person asks for them."""
LISTED = Q(listed__isnull=False)
"""The keys that the inventory shows by default."""


class JsonLength(Func):
    output_field = models.PositiveSmallIntegerField()

    function = "JSON_ARRAY_LENGTH"

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, function="JSONB_ARRAY_LENGTH", **extra)


class ApiKey(OwnershipColumns):
    """An API key, from its request to its removal. Its plain text is never stored.

    The wizard creates ``id``, which is also Cerby's ``externalId``; ``cerby_id`` is Cerby's own id.
    ``due_at``: when the reconciler must check the key, or None. ``attempts``: how often revoking failed in a
    row. ``confirmed_at``: when Cerby last listed the key. ``missing_since``: since when Cerby no longer lists
    it. ``owner_left_at``: since when the owner is disabled in Cerby or unknown to it, copied from the owner's
    row. ``scopes``: scope identifiers in the catalogue's order; empty if they are not known. A live key may
    lack a ``cerby_id`` only if its ``origin`` says that a person created it in Cerby's web app.

    ``seen_at``, ``seen_by``: who last confirmed the key against the table in Cerby's web app. ``use_read_*``
    and ``expiry_read_*``: who last read ``last_used_at`` and ``expires_at`` there. ``expires_at`` is
    ``EXPIRY_NOT_KNOWN`` if nobody has told the portal when the key expires. If ``created_known`` is false,
    nobody knows when the key was created in Cerby, and ``created_at`` is when it was added here.

    ``holds_name``: 1 if no other key that people register may have the same owner and name while this one is
    in use, else NULL. Cerby allows several keys with one name, so only the first of them holds it.

    ``reach_since``: the first count of the owner's items after the key was made, or the one that a person
    accepted. ``reach_grew_at``: when the portal found that the key can open more items than then.
    ``lineage``: the id of the first key of a series in which each key replaced the one before, or NULL if the
    key was never rotated. ``generation``: the key's place in it, from 1. At most two keys of a lineage are in
    use. ``gap_since``, ``longest_gap`` and ``gap_before``: since when the longest time without a use is
    counted, that time, and that of the period before, in seconds (keys.rules.readings).
    """

    class Origin(models.TextChoices):
        GENERATED = "generated", "Generated here"
        PASTED = "pasted", "Requested here, made in Cerby by hand"
        REGISTERED = "registered", "Registered with its value"
        DECLARED = "declared", "Declared without its value"
        DISCOVERED = "discovered", "Discovered in Cerby"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    cerby_id = models.UUIDField(unique=True, null=True)
    name = models.CharField(max_length=100)
    purpose = models.CharField(max_length=500, blank=True)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="keys", db_index=False)
    owner_name = models.CharField(max_length=200)  # copied here so that lists can search and sort by it
    owner_email = models.EmailField()
    name_order = Folded("name", max_length=300)
    owner_order = Folded("owner_name", max_length=600)
    purpose_order = Folded("purpose", max_length=1500, default="")
    scopes = models.JSONField(default=list)
    scope_count = models.GeneratedField(
        expression=JsonLength(F("scopes")), output_field=models.PositiveSmallIntegerField(), db_persist=True
    )

    state = models.CharField(max_length=12, default=State.REQUESTED)
    phase = models.GeneratedField(
        expression=Case(
            *(
                When(state__in=[s.value for s in State if PHASE[s] is phase], then=Value(phase.value))
                for phase in Phase
                if phase is not Phase.WITHDRAWN  # the default, because a generated column cannot be altered
            ),
            default=Value(Phase.WITHDRAWN.value),
        ),
        output_field=models.PositiveSmallIntegerField(),
        db_persist=True,
    )
    # 1 or NULL, for partial indexes. SQLite uses a partial index only if the query repeats its condition
    # literally, and IS NOT NULL contains no value that would be bound later.
    listed = models.GeneratedField(
        expression=Case(
            When(state__in=[s.value for s in State if PHASE[s] in NOT_LISTED], then=None), default=Value(1)
        ),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )
    unconfirmed = models.GeneratedField(
        expression=Case(
            When(state__in=[State.READY.value, State.CLAIMED.value], then=Value(1)), default=None
        ),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )
    unadopted = models.GeneratedField(
        expression=Case(When(origin="discovered", purpose="", then=Value(1)), default=None),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )
    # The quick attempts have failed, or only a person can delete the key in Cerby.
    removal_stuck = models.GeneratedField(
        expression=Case(
            When(
                Q(attempts__gte=QUICK_RETRIES) | Q(cerby_id__isnull=True),
                state=State.REVOKING.value,
                then=Value(1),
            ),
            default=None,
        ),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )
    agent_outside = models.GeneratedField(
        expression=OUTSIDE, output_field=models.PositiveSmallIntegerField(null=True), db_persist=True
    )
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    due_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.GENERATED)
    confirmed_at = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True)
    owner_left_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField()
    created_known = models.BooleanField(default=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_used_order = models.GeneratedField(
        expression=Coalesce(F("last_used_at"), Value(NEVER, output_field=models.DateTimeField())),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    removed_at = models.DateTimeField(null=True)

    pepper_id = models.CharField(max_length=20, blank=True)
    fingerprint = models.BinaryField(max_length=32, null=True)
    last_four = models.CharField(max_length=4, blank=True)
    stored_at = models.DateTimeField(null=True)
    stored_in = models.CharField(max_length=200, blank=True)

    seen_at = models.DateTimeField(null=True)
    seen_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    use_read_at = models.DateTimeField(null=True)
    use_read_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    expiry_read_at = models.DateTimeField(null=True)
    expiry_read_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    holds_name = models.PositiveSmallIntegerField(null=True)
    lineage = models.UUIDField(null=True)
    generation = models.PositiveSmallIntegerField(null=True)
    gap_since = models.DateTimeField(null=True)
    longest_gap = models.PositiveIntegerField(null=True)
    gap_before = models.PositiveIntegerField(null=True)

    reach_since = models.DateTimeField(null=True)
    reach_grew_at = models.DateTimeField(null=True)

    objects = FoldingQuerySet["ApiKey"].as_manager()

    class Meta(OwnershipColumns.Meta):
        abstract = False
        constraints = (
            models.CheckConstraint(
                name="key_state_is_known", condition=Q(state__in=[s.value for s in State])
            ),
            models.CheckConstraint(
                name="key_expires_after_creation", condition=Q(expires_at__gt=F("created_at"))
            ),
            models.CheckConstraint(
                name="key_leased_while_calling",
                condition=Q(state=State.CALLING, lease__isnull=False, lease_until__isnull=False)
                | (~Q(state=State.CALLING) & Q(lease__isnull=True)),
            ),
            models.CheckConstraint(
                name="key_live_is_known_to_cerby",
                condition=~Q(state__in=[State.READY, State.CLAIMED, State.HELD])
                | Q(cerby_id__isnull=False)
                | Q(origin__in=["pasted", "registered", "declared"]),
            ),
            models.CheckConstraint(
                name="key_proved_has_a_fingerprint",
                condition=~Q(state__in=[State.READY, State.CLAIMED, State.HELD])
                | ~Q(origin__in=["pasted", "registered"])
                | Q(fingerprint__isnull=False),
            ),
            models.CheckConstraint(
                name="key_fingerprint_names_its_pepper",
                condition=Q(fingerprint__isnull=True, pepper_id="")
                | (Q(fingerprint__isnull=False) & ~Q(pepper_id="")),
            ),
            models.CheckConstraint(
                name="key_removed_has_a_time", condition=~Q(state=State.REVOKED) | Q(removed_at__isnull=False)
            ),
            models.CheckConstraint(
                name="key_origin_is_known",
                condition=Q(origin__in=["generated", "pasted", "registered", "declared", "discovered"]),
            ),
            models.UniqueConstraint(
                name="key_fingerprint_once", fields=["fingerprint"], condition=Q(fingerprint__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["name_order"],
                name="key_name_is_unique_while_in_use",
                condition=Q(
                    state__in=sorted(s.value for s in HOLDS_ITS_NAME), origin__in=["generated", "pasted"]
                ),
            ),
            models.UniqueConstraint(
                fields=["owner", "name_order"],
                name="key_registered_once",
                condition=Q(holds_name__isnull=False, state__in=["claimed", "held", "ready"]),
            ),
            # Neighbours in a lineage have odd and even generations, so a third key in use has no place.
            models.UniqueConstraint(
                F("lineage"),
                Coalesce(F("generation"), 0).bitand(1),
                name="key_two_of_a_lineage",
                condition=Q(lineage__isnull=False, state__in=sorted(state.value for state in HOLDS_ITS_NAME)),
            ),
        )
        # One index per sort order, for the keys that are listed by default; then one index per filter, in its
        # sort order. Columns after the id only make the index covering.
        indexes = (
            models.Index("due_at", name="key_by_due", condition=Q(due_at__isnull=False)),
            models.Index("confirmed_at", name="key_by_confirmed"),
            models.Index("origin", "created_at", "id", "listed", name="key_by_origin_created"),
            models.Index("created_at", "id", name="key_by_created", condition=LISTED),
            models.Index("expires_at", "id", name="key_by_expires", condition=LISTED),
            models.Index("last_used_order", "id", name="key_by_last_used", condition=LISTED),
            models.Index("scope_count", "id", name="key_by_scope_count", condition=LISTED),
            models.Index("name_order", "id", name="key_by_name", condition=LISTED),
            models.Index("owner_order", "id", name="key_by_owner_name", condition=LISTED),
            models.Index("phase", "expires_at", "id", "listed", name="key_by_status", condition=LISTED),
            models.Index("phase", "created_at", "id", "expires_at", "listed", name="key_by_phase"),
            models.Index("owner", "created_at", "id", "listed", name="key_by_owner"),
            models.Index(
                *("pepper_id", "phase", "expires_at"),
                name="key_by_pepper",
                condition=Q(fingerprint__isnull=False),
            ),
            models.Index(
                *("created_at", "id", "unconfirmed", "listed"),
                name="key_unconfirmed",
                condition=Q(unconfirmed__isnull=False),
            ),
            models.Index(
                *("phase", "created_at", "id", "expires_at", "listed", "last_used_at"),
                name="key_never_used",
                condition=Q(last_used_at__isnull=True),
            ),
            models.Index(
                *("phase", "last_used_order", "id", "created_at", "expires_at", "listed"),
                name="key_unused",
                condition=LISTED,
            ),
            *(
                models.Index(
                    *("phase", "expires_at", "id", column, "listed"),
                    name=f"key_{name}",
                    condition=Q((f"{column}__isnull", False)),
                )
                for name, column in (
                    ("missing", "missing_since"),
                    ("unadopted", "unadopted"),
                    ("owner_left", "owner_left_at"),
                    ("orphan", "orphan"),
                    ("reach_grew", "reach_grew_at"),
                    ("agent_outside", "agent_outside"),
                )
            ),
            models.Index(
                *("created_at", "id", "removal_stuck", "listed"),
                name="key_removal_stuck",
                condition=Q(removal_stuck__isnull=False),
            ),
            models.Index("removed_at", name="key_by_removed", condition=Q(removed_at__isnull=False)),
            *INDEXES,
        )

    def __str__(self) -> str:
        return named(self.name)

    @property
    def origin_label(self) -> str:
        return ApiKey.Origin(self.origin).label

    @property
    def is_deleted_by_hand(self) -> bool:
        """Return whether only a person can delete the key in Cerby.

        That is so if its Cerby id is not known, and in assisted mode, even if a server told the id before.
        """
        return self.cerby_id is None or settings.CERBY_ISSUE_MODE == "assisted"

    @property
    def was_never_used(self) -> bool:
        """Return whether Cerby says that the key was never used. If Cerby does not list it, nobody knows."""
        return self.last_used_at is None and not self.is_deleted_by_hand

    @property
    def owner_cerby_id(self) -> UUID:
        return self.owner.cerby_id

    @property
    def owner_role(self) -> Role | None:
        return Role(self.owner.role)

    @property
    def answering(self) -> Answering:
        return Answering(self.accountable_id, self.backup_id)

    @property
    def was_never_adopted(self) -> bool:
        return self.origin == ApiKey.Origin.DISCOVERED and not self.purpose

    @property
    def needs_adoption(self) -> bool:
        return self.was_never_adopted and self.state == State.HELD

    @property
    def is_only_registered(self) -> bool:
        """Return whether people entered the row's values, and Cerby does not confirm them."""
        registered = self.origin in {ApiKey.Origin.REGISTERED, ApiKey.Origin.DECLARED}
        return registered and self.state == State.HELD and self.cerby_id is None

    @property
    def gaps(self) -> Gaps:
        return Gaps(self.gap_since, self.longest_gap or 0, self.gap_before or 0)

    def use_columns(self, last_used_at: datetime | None) -> dict[str, Any]:
        """Return the columns to store when the key turns out to be last used at ``last_used_at``."""
        gaps = gaps_after(self.gaps, self.last_used_at, last_used_at)
        return {
            "last_used_at": last_used_at,
            "gap_since": gaps.since,
            "longest_gap": gaps.longest,
            "gap_before": gaps.before,
        }

    @staticmethod
    def owner_columns(owner: User | Actor) -> dict[str, str]:
        """Return the columns that repeat the owner's name and email beside each of their keys."""
        return {"owner_name": owner.name, "owner_order": fold(owner.name), "owner_email": owner.email}
