"""Template tags for icons, callouts, times, sortable headers and scope choices."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from django import template
from django.forms.utils import flatatt
from django.template import RequestContext
from django.template.defaulttags import querystring
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify

from keys.forms.new_key import ScopesForm
from keys.rules import formatting, visible
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN
from keys.selectors.activity.acts import PARTLY
from keys.selectors.activity.filter_words import filter_in_words

register = template.Library()


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("icons.svg"), name
    )


register.filter("named", visible.named)

_CALLOUT_ICONS = {
    "info": "info",
    "success": "circle-check",
    "warning": "triangle-alert",
    "danger": "triangle-alert",
}


@register.simple_block_tag
def callout(content: str, tone: str, title: str = "", **attributes: str) -> SafeString:
    """Return a box with an icon, an optional title, and the content.

    ``tone`` is a key of ``_CALLOUT_ICONS``. The attribute ``icon`` chooses another icon; all other
    attributes, such as ``id`` and ``role``, go to the box's element.
    """
    name = attributes.pop("icon", _CALLOUT_ICONS[tone])
    return format_html(
        "<div{}>{}<div>{}{}</div></div>",
        flatatt({"class": f"callout callout-{tone}", **attributes}),
        icon(name),
        format_html("<b>{}</b>", title) if title else "",
        content,
    )


@register.filter
def in_words(filter_said: str) -> str:
    """Return a filter such as ``q=Payroll, status=active`` in the words of the form's labels."""
    return filter_in_words(filter_said)


_OUTCOME_ICONS = {"done": "circle-check", "refused": "shield-alert", "failed": "circle-x", PARTLY: "circle-x"}


@register.simple_tag
def outcome_icon(outcome: str) -> SafeString:
    return format_html(
        '<span>{}<span class="visually-hidden">{}</span></span>', icon(_OUTCOME_ICONS[outcome]), outcome
    )


@register.simple_tag
def moment(at: datetime | None) -> SafeString:
    """Return ``3 Nov 2026, 14:05:09 CET (5 days ago)`` in the reader's zone, or ``Not known``."""
    if at is None or at == EXPIRY_NOT_KNOWN:
        return format_html("{}", formatting.NOT_KNOWN)
    return format_html(
        '<time datetime="{}">{}</time> ({})',
        formatting.utc(at),
        formatting.to_the_second(at),
        formatting.relative(at, timezone.now()),
    )


@register.filter
def day(at: datetime | None) -> str:
    """Return ``3 Nov 2026`` in the reader's zone, or ``Not known``. Unlike ``date``, it never fails."""
    return formatting.NOT_KNOWN if at is None or at == EXPIRY_NOT_KNOWN else formatting.day(at)


@register.simple_tag(takes_context=True)
def sort_header(context: RequestContext, label: str, column: str) -> SafeString:
    """Return a column header that links to the list sorted by ``column``, or reversed if it already is.

    The context's ``sort`` is the current order, and ``params`` the query string. ``page_url`` is the list's
    address if the page has another one. The id lets htmx restore the focus after the swap.
    """
    direction = {column: "ascending", f"-{column}": "descending"}.get(context["sort"], "")
    order = f"-{column}" if direction == "ascending" else column
    query = querystring(context, context["params"], sort=order, after=None, before=None)
    url = f"{context['page_url']}{query}"
    return format_html(
        '<th scope="col"{}><a id="sort-{}" href="{}" hx-get="{}" hx-target="#table" hx-swap="outerHTML"'
        ' hx-push-url="true" hx-nonce="{}">{} {}</a></th>',
        format_html(' aria-sort="{}"', direction) if direction else "",
        slugify(label),
        url,
        url,
        context["request"].csp_nonce,
        label,
        icon(_SORT_ICONS[direction]),
    )


_SORT_ICONS = {"ascending": "chevron-up", "descending": "chevron-down", "": "chevrons-up-down"}


@register.inclusion_tag("keys/_scopes.html")
def scope_choices(form: ScopesForm) -> dict[str, Any]:
    """List the nine scopes that Cerby publishes, then the configured ones. Ticked scopes stay ticked."""
    groups = [
        ("Published by Cerby", [scope for scope in form.offered if scope.published]),
        ("More, not in every workspace", [scope for scope in form.offered if not scope.published]),
    ]
    return {
        "groups": [(heading, scopes) for heading, scopes in groups if scopes],
        "chosen": form.chosen(),
        "errors": form.errors.get("scopes", []),
    }
