"""The list of reviews, and the form that starts one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from keys.models import Campaign
from tests.cast import a_key, signed_in
from tests.pages.helpers import elements, queries, rows, text
from tests.support.reviews import DAY, a_campaign


def test_the_list_says_how_far_each_review_has_come(cast):
    admin = signed_in(cast.admin)
    assert "No review yet" in text(admin.get("/reviews/"))
    a_campaign([a_key(cast.user), a_key(cast.user)], cast.admin, name="Old")
    one = queries(admin, "/reviews/")
    now = timezone.now()
    a_campaign([], None, name="New", started_at=now + timedelta(seconds=1), escalated_at=now)
    first, second = rows(admin.get("/reviews/"))
    assert (first["Name"], first["State"], first["Decided"]) == ("New", "Open overdue", "0 of 0")
    assert (second["Name"], second["Decided"]) == ("Old", "0 of 2")
    assert queries(admin, "/reviews/") == one


@pytest.mark.parametrize(
    ("entered", "sentence"),
    [
        ({"query": "status=removed"}, "No key matches"),
        ({"due_on": "2020-01-01"}, "This day has passed"),
        ({"named": "nobody@contenzilla.example"}, "Cerby knows nobody"),
        ({"query": "status=nonsense"}, "Select a valid choice"),
        ({"name": ""}, "Enter a name"),
    ],
)
def test_a_review_that_cannot_work_is_refused_and_the_input_stays(cast, entered, sentence):
    a_key(cast.user)
    day = timezone.localdate() + DAY
    sent = {"name": "N", "rationale": "Quarterly check", "due_on": f"{day}", "query": ""} | entered
    refused = signed_in(cast.admin).post("/reviews/start/", sent)
    assert refused.status_code == 422
    assert sentence in text(refused)
    assert elements(refused, "input", value="Quarterly check")
    assert not Campaign.objects.exists()
