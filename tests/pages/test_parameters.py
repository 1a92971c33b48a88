"""No GET parameter of a page makes the portal fail."""

from __future__ import annotations

import pytest
from django.urls import reverse

from keys.models import SavedFilter
from keys.selectors.activity.filters import ActivityForm
from keys.selectors.inventory.filters import InventoryForm
from tests.cast import signed_in

JUNK = {
    "empty": "", "words": "no such value", "huge number": "9" * 400, "negative": "-1", "a power of two": str(2**63),
    "not a number": "NaN", "infinite": "1e999", "NUL": "%00", "NUL inside": "a%00b", "overlong": "x" * 3000,
    "not UTF-8": "%ff%fe", "a lone surrogate": "%ed%a0%80", "a wrong escape": "%zz", "an emoji": "%F0%9F%97%9D",
    "a quote": "%27%22%3B--", "another digit": "%D9%A1%D9%A2", "a day out of range": "9999-12-31", "no day": "2026-02-30",
    "year 0": "0000-00-00", "an address": "::ffff:999.1.1.1%eth0", "brackets": "%5B%5D%7B%7D",
}  # fmt: skip
ALONE = {"inventory": InventoryForm.base_fields, "activity": ActivityForm.base_fields}
NAMES = [*InventoryForm.base_fields, *ActivityForm.base_fields, "as_of", "next", "step", "page", "fragment"]
PAGES = [
    "dashboard", "inventory", "inventory-export", "wizard", "register", "imports", "find", "activity",
    "activity-export", "verification", "evidence", "evidence-download", "settings", "health", "roles",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_junk_in_a_parameter_is_no_error_of_the_portal(cast, page):
    SavedFilter.objects.create(user=cast.admin, name="Mine", query="outcome=refused")
    browser, url = signed_in(cast.admin), reverse(f"keys:{page}")
    alone = ALONE.get(page.partition("-")[0], ())
    for value in JUNK.values():
        queries = [f"{name}={value}" for name in alone]
        queries += ["&".join(f"{name}={value}" for name in NAMES)]
        queries += ["&".join(f"{name}=1&{name}={value}" for name in NAMES)]
        for query in queries:
            assert browser.get(f"{url}?{query}").status_code < 500, f"{url}?{query[:200]}"


@pytest.mark.parametrize(
    "query", ["after=junk", "since=junk", "ip=junk", "key=junk", "type=junk", "outcome=junk"]
)
def test_a_filter_that_is_not_valid_is_unprocessable_for_somebody_with_saved_filters(cast, query):
    SavedFilter.objects.create(user=cast.admin, name="Mine", query="outcome=refused")
    assert signed_in(cast.admin).get(f"/activity/?{query}").status_code == 422
