"""Store saved views of the inventory and of the activity."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from keys.models.folding import Folded
from keys.models.throttle import Throttle
from keys.models.user import User


class SavedViewManager(models.Manager["SavedView"]):
    def take_turn(self, user_id: int, page: str) -> None:
        """Wait for other changes to the person's views and to the shared views of ``page``.

        Until the transaction ends, the names and the numbers of these views stay as they are.
        """
        User.objects.select_for_update(no_key=True).get(pk=user_id)
        Throttle.objects.locked(f"shared views: {page}")


class SavedView(models.Model):
    """A named view of a page: its filters, sort order and columns, as a query string.

    ``user`` is the author, who alone sees it, or everybody who may open the page if it is ``shared``.
    """

    class Page(models.TextChoices):
        INVENTORY = "inventory", "API keys"
        ACTIVITY = "activity", "Activity"

    page = models.CharField(max_length=10, choices=Page.choices)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_views", db_index=False)
    name = models.CharField(max_length=60)
    name_order = Folded("name", max_length=180)
    query = models.CharField(max_length=4000)
    shared = models.BooleanField(default=False)

    objects: ClassVar[SavedViewManager] = SavedViewManager()

    class Meta:
        db_table = "keys_savedfilter"  # its name from the time when only the activity had filters to save
        constraints = (
            models.UniqueConstraint(
                name="saved_view_private_name_once",
                fields=["user", "page", "name_order"],
                condition=Q(shared=False),
            ),
            models.UniqueConstraint(
                name="saved_view_shared_name_once", fields=["page", "name_order"], condition=Q(shared=True)
            ),
            models.CheckConstraint(
                name="saved_view_page_is_known", condition=Q(page__in=["inventory", "activity"])
            ),
        )
        indexes = (models.Index("user", "page", name="saved_view_by_user"),)

    def __str__(self) -> str:
        return self.name
