"""Store the keys that are outside the organisation's policy."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from keys.models.api_key import ApiKey
from keys.rules.policy.document import Name


class Finding(models.Model):
    """A live key that does not meet ``rule`` of the policy. ``due_on``: the day by which people should act.

    The background job creates and deletes the rows (keys.actions.policy.find).
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="findings", db_index=False)
    rule = models.CharField(max_length=20)
    since = models.DateTimeField()
    due_on = models.DateField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["key", "rule"], name="finding_once_for_each_rule"),
            models.CheckConstraint(
                name="finding_rule_is_known",
                condition=Q(rule__in=[name.value for name in Name if not name.is_for_requests]),
            ),
        )
        indexes = (models.Index("rule", "due_on", "id", name="finding_by_rule"),)

    def __str__(self) -> str:
        return f"{self.key_id}: {self.rule}"
