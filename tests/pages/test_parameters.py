"""No GET parameter of a page makes the portal fail."""

from __future__ import annotations

from urllib.parse import quote

from django import forms
from django.http import QueryDict
from django.urls import reverse

from keys.models import SavedView
from keys.selectors.activity.filters import ActivityForm
from keys.selectors.inventory.filters import InventoryForm
from keys.selectors.inventory.past import PastForm
from keys.selectors.people_list import PeopleForm
from tests.cast import signed_in
from tests.support.cases import in_one_test

JUNK = {
    "empty": "", "two letters": "ab", "words": "no such value", "huge number": "9" * 400, "negative": "-1", "a power of two": str(2**63),
    "not a number": "NaN", "infinite": "1e999", "NUL": "%00", "NUL inside": "a%00b", "overlong": "x" * 3000,
    "not UTF-8": "%ff%fe", "a lone surrogate": "%ed%a0%80", "a wrong escape": "%zz", "an emoji": "%F0%9F%97%9D",
    "a quote": "%27%22%3B--", "another digit": "%D9%A1%D9%A2", "a day out of range": "9999-12-31", "no day": "2026-02-30",
    "year 0": "0000-00-00", "year 1": "0001-01-01T00:00", "the last minute": "9999-12-31T23:59", "an address": "::ffff:999.1.1.1%eth0", "brackets": "%5B%5D%7B%7D",
}  # fmt: skip
ALONE: dict[str, tuple[type[forms.Form], tuple[str, ...]]] = {
    "inventory": (InventoryForm, ()), "activity": (ActivityForm, ()), "past": (PastForm, ()),
    "people": (PeopleForm, ("after", "before")),
}  # fmt: skip
"""The form of each page that has filters, and its parameters that belong to no form."""
REACHES_THE_DATABASE = (
    "huge number",
    "a power of two",
    "NUL",
    "NUL inside",
    "overlong",
    "a lone surrogate",
    "an emoji",
)
"""Junk that a form may accept, so each parameter gets it alone as well."""
WITHOUT_A_FORM = {*REACHES_THE_DATABASE, "empty", "words", "not UTF-8"}
"""The junk for a page without filters. Only ``make nightly`` sends it all."""
NAMES = list(dict.fromkeys([
    *InventoryForm.base_fields, *ActivityForm.base_fields, *PastForm.base_fields, *PeopleForm.base_fields,
    "as_of", "next", "step", "page", "fragment", "act", "email", "text",
]))  # fmt: skip
PAGES = [
    "dashboard", "inventory", "inventory-export", "wizard", "register", "imports", "find", "activity",
    "activity-export", "verification", "evidence", "evidence-download", "settings", "health", "roles",
    "past", "past-export", "people", "person-add", "compare", "mine", "bulk-count", "help",
]  # fmt: skip


@in_one_test("page", PAGES)
def test_junk_in_a_parameter_is_no_error_of_the_portal(cast, nightly, page):
    """Only ``make nightly`` gives each parameter each junk alone; otherwise it gets every fourth one."""
    SavedView.objects.create(user=cast.admin, page="activity", name="Mine", query="outcome=refused")
    browser, url = signed_in(cast.admin), reverse(f"keys:{page}")
    has_filters = page.partition("-")[0] in ALONE
    form, others = ALONE.get(page.partition("-")[0], (forms.Form, ()))
    headers = {"HX-Request": "true"} if page == "bulk-count" else {}
    for number, kind in enumerate(JUNK if has_filters or nightly else sorted(WITHOUT_A_FORM)):
        value = JUNK[kind]
        queries = [
            f"{name}={value}"
            for turn, name in enumerate((*form.base_fields, *others), start=number)
            if kind in REACHES_THE_DATABASE
            and (nightly or turn % 4 == 0)
            and (name in others or form(QueryDict(f"{name}={value}")).is_valid())
        ]
        queries += ["&".join(f"{name}={value}" for name in NAMES)]
        if kind in ("empty", "words"):
            queries += ["&".join(f"{name}=1&{name}={value}" for name in NAMES)]
        for query in queries:
            status = browser.get(f"{url}?{query}", headers=headers).status_code
            assert status < 500, f"{url}?{query[:200]}"


@in_one_test("query", ["after=junk", "since=junk", "ip=junk", "key=junk", "type=junk", "outcome=junk"])
def test_a_filter_that_is_not_valid_is_unprocessable_for_somebody_with_saved_views(cast, query):
    SavedView.objects.create(user=cast.admin, page="activity", name="Mine", query="outcome=refused")
    assert signed_in(cast.admin).get(f"/activity/?{query}").status_code == 422


@in_one_test("at", ["0001-01-01T00:00", "1000-01-01T00:00", "9999-12-31T23:59"])
@in_one_test("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_time_at_an_end_of_the_calendar_is_unprocessable(cast, settings, zone, at):
    settings.TIME_ZONE = zone
    assert signed_in(cast.admin).get(f"/keys/past/?at={at}").status_code == 422


@in_one_test("name", JUNK)
@in_one_test("address", ["/help/{}/", "/help/images/{}", "/help/images/{}.png"])
def test_no_help_page_has_a_name_of_junk(cast, address, name):
    assert signed_in(cast.admin).get(address.format(JUNK[name] or "-")).status_code == 404


@in_one_test("line", ["9" * 5000, "%D9%A1", "%C2%B2", "-1", "%00", "NaN"])
def test_a_junk_line_of_a_comparison_is_ignored(cast, line):
    table = quote("Name\tCreated on\tBy\tStatus\t\nPayroll\t11/30/2026\tAda\tActive\t")
    body = f"text={table}&group=missing-here&purpose-{line}=x&key-{line}=x&purpose=%00"
    for address in ("/keys/compare/", "/keys/compare/confirm/"):
        answer = signed_in(cast.admin).post(address, body, "application/x-www-form-urlencoded")
        assert answer.status_code in {200, 409, 422}
        assert "Payroll" in answer.content.decode()
