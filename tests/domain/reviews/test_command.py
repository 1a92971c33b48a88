"""A review without a browser: manage.py reviews."""

from __future__ import annotations

import io
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.actions.reviews.keep_going import keep_reviews_going
from keys.models import Campaign, Certificate
from tests.cast import PASSWORD, a_key
from tests.support.packs import verify


@pytest.fixture
def run(monkeypatch):
    def run(*words: str, lines: str = f"{PASSWORD}\n") -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        out = io.StringIO()
        call_command("reviews", *words, stdout=out)
        return out.getvalue()

    return run


def test_the_whole_review_without_a_browser(cast, run, signed_here, tmp_path):
    assert "There is no review yet." in run("list")
    a_key(cast.user, name="Robot", accountable=cast.admin)
    admin, owner = ("--as", cast.admin.email), ("--as", cast.owner.email)
    day = f"{timezone.localdate() + timedelta(days=3)}"
    start = ("start", "Spring", "--due", day, "--reason", "Yearly.", *admin)
    with pytest.raises(CommandError, match="password is wrong"):
        run(*start, lines="wrong\n")
    assert "is started" in run(*start)
    keep_reviews_going()
    campaign = Campaign.objects.get()
    review = str(campaign.pk)
    assert "Spring: Open, 0 of 1 decided" in run("list")
    item = campaign.items.get()
    assert f"{item.pk}  Robot (Read users; " in run("show", review)
    moved = run("move", review, str(item.pk), "--to", cast.super_admin.email, "--reason", "Theirs.", *admin)
    assert "is asked to review" in moved
    decide = ("decide", review, str(item.pk), "keep", "--as", cast.super_admin.email)
    with pytest.raises(CommandError, match="has a finding"):
        run(*decide)
    assert "recorded" in run(*decide, "--sentence", "Needed.")
    assert "Super Person: 1 decided, median Not known" in run("show", review)
    with pytest.raises(CommandError, match="You have reviewed items"):
        run("sign", review, "--reason", "Checked.", "--as", cast.super_admin.email)
    assert "signed off" in run("sign", review, "--reason", "Checked.", *owner)
    assert Certificate.objects.get().voided_at is None
    file = tmp_path / "pack.zip"
    assert "Wrote" in run("pack", review, "--output", str(file))
    assert verify(file)[0] == 0
    with pytest.raises(CommandError, match="no such review"):
        run("show", "00000000-0000-0000-0000-000000000000")
