"""Django admin's changelist over the same table and columns, as one would first write it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from keys.models import ApiKey


class Site(admin.AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated


class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "name", "owner_name", "owner_email", "scopes", "created_at", "expires_at", "last_used_at", "state",
    )  # fmt: skip
    search_fields = ("name", "owner_name", "owner_email")
    list_filter = ("state",)
    list_per_page = 50
    ordering = ("-created_at",)

    def has_view_permission(self, *_: Any) -> bool:
        return True

    has_module_permission = has_change_permission = has_view_permission

    def has_add_permission(self, *_: Any) -> bool:
        return False

    has_delete_permission = has_add_permission


site = Site(name="admin")
site.register(ApiKey, ApiKeyAdmin)
