"""Store the tables of the inventory's search and its filters by scope and tag. Triggers maintain them."""

from __future__ import annotations

from django.db import models

from keys.models.api_key import ApiKey


class KeyScope(models.Model):
    """The scopes of each key, newest key first. Triggers derive the rows from ``ApiKey.scopes``."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="held", db_index=False)
    scope = models.TextField()  # Cerby documents no maximum
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(name="key_scope_once", fields=["key", "scope"]),)
        indexes = (models.Index("scope", "created_at", "key", name="key_scope_by_created"),)

    def __str__(self) -> str:
        return self.scope


class KeyTag(models.Model):
    """The tags of each key, newest key first. Triggers derive the rows from ``ApiKey.tags``."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="tagged", db_index=False)
    tag = models.CharField(max_length=40)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(name="key_tag_once", fields=["key", "tag"]),)
        indexes = (models.Index("tag", "created_at", "key", name="key_tag_by_created"),)

    def __str__(self) -> str:
        return self.tag


class SearchDocument(models.Model):
    """The searchable text of each key, one line.

    ``id`` decreases with the key's creation time, so that the index returns the newest matches first.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, related_name="document")
    text = models.TextField()

    class Meta:
        db_table = "keys_search_document"

    def __str__(self) -> str:
        return self.text


class SearchIndex(models.Model):
    """The FTS5 trigram index of the documents on SQLite, created in migration 0002."""

    document = models.OneToOneField(
        SearchDocument, on_delete=models.DO_NOTHING, primary_key=True, db_column="rowid", related_name="index"
    )
    text = models.TextField()

    class Meta:
        managed = False
        db_table = "keys_search"

    def __str__(self) -> str:
        return str(self.document_id)
