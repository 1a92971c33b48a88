"""Test the page Posture: each risk has a filter that lists its keys, or says that it is not visible here."""

from __future__ import annotations

import pytest

from keys.actions.policy.find import find_outside
from keys.rules.policy.document import Name
from keys.rules.posture import CONTROLS, RISKS
from tests.cast import a_key
from tests.pages.helpers import elements, queries, text, words


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def test_each_risk_is_a_filter_or_says_that_it_is_not_visible(admin, cast):
    a_key(cast.user, accountable=None, accountable_name="", accountable_email="")
    find_outside()
    page = admin.get("/posture/")
    assert [risk.number for risk in RISKS] == [f"NHI{number}" for number in range(1, 11)]
    assert all(risk.sights or risk.not_visible for risk in RISKS)
    assert "Nobody answers for it : 1" in text(page)
    assert "How software sends its key, and to whom." in text(page)
    links = {words(link): str(dict(link.attributes)["href"]) for link in elements(page, "a")}
    of_risks = {sight.label for risk in RISKS for sight in risk.sights}
    shown = of_risks | {sight.label for control in CONTROLS for sight in control.evidence}
    assert shown <= links.keys()
    for label in shown:
        assert admin.get(links[label].partition("#")[0]).status_code == 200, label


def test_the_rules_and_needs_exist():
    sights = [sight for risk in RISKS for sight in risk.sights]
    assert {sight.rule for sight in sights if sight.rule} <= {name.value for name in Name}


def test_the_page_asks_the_same_questions_for_one_key_and_for_many(admin, cast):
    a_key(cast.user)
    one = queries(admin, "/posture/")
    for _ in range(9):
        a_key(cast.user)
    find_outside()
    assert queries(admin, "/posture/") == one


def test_assisted_mode_leaves_out_what_it_cannot_know(admin, cast, settings):
    settings.CERBY_ISSUE_MODE = "assisted"
    assert admin.get("/posture/").status_code == 200
