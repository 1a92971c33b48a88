"""Store the named filters of the activity page."""

from __future__ import annotations

from django.db import models

from keys.models.user import User


class SavedFilter(models.Model):
    """A person's own filter. ``query`` is the query string of the filtered page."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_filters", db_index=False)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000)

    class Meta:
        constraints = (models.UniqueConstraint(name="saved_filter_name_once", fields=["user", "name"]),)

    def __str__(self) -> str:
        return self.name
