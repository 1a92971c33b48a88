"""Configure a plain Django admin changelist with the same table and columns, for comparison."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from keys.models import ApiKey


class Site(admin.AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_authenticated


class ApiKeyAdmin(admin.ModelAdmin):
    list_display = (
        "name", "owner_name", "owner_email", "scopes", "created_at", "expires_at", "last_used_at", "state",
    )  # fmt: skip
    search_fields = ("name", "owner_name", "owner_email")
    list_filter = ("state",)
    list_per_page = 50
    ordering = ("-created_at",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


site = Site(name="admin")
site.register(ApiKey, ApiKeyAdmin)
