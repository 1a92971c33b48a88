"""The command `requests`: list, show and decide on the command line, with the checks of the page."""

from __future__ import annotations

import io
import sys

import pytest
from django.core.management import CommandError, call_command

from keys.models import AccessRequest
from tests.pages.helpers import events
from tests.pages.test_request import asked

PASSWORD = "a long enough password 1"


@pytest.fixture
def run(monkeypatch, cast):
    for person in (cast.admin, cast.user):
        person.set_password(PASSWORD)
        person.save()

    def command(*words: str, password: str = PASSWORD) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        out = io.StringIO()
        call_command("requests", *words, stdout=out)
        return out.getvalue()

    return command


def test_a_request_is_listed_shown_and_approved(run, browser_of, cast):
    assert run("list") == "No request waits for a decision.\n"
    asked(browser_of("user"))
    request = AccessRequest.objects.get()
    assert str(request.pk) in run("list")
    shown = run("show", str(request.pk))
    assert request.digest in shown
    assert f"Can decide: {cast.owner.email}" in shown
    decide = ("approve", str(request.pk), "--as", cast.admin.email)
    for refused in ("0" * 64, "x"):
        with pytest.raises(CommandError, match="has changed"):
            run(*decide, "--hash", refused)
    with pytest.raises(CommandError, match="email or the password is wrong"):
        run(*decide, "--hash", request.digest, password="wrong")
    assert run(*decide, "--hash", request.digest) == "You approved the request.\n"
    request.refresh_from_db()
    assert request.state == "approved"
    assert [one.browser for one in events(type="request:approve")] == ["manage.py requests"]


def test_nobody_decides_about_their_own_request_here_either(run, browser_of, cast):
    asked(browser_of("user"))
    request = AccessRequest.objects.get()
    for words in (("approve", "--hash", request.digest), ("deny", "--reason", "No.")):
        with pytest.raises(CommandError, match="may not decide"):
            run(words[0], str(request.pk), "--as", cast.user.email, *words[1:])
    AccessRequest.objects.update(requester=cast.admin)
    with pytest.raises(CommandError, match="You asked for it yourself"):
        run("approve", str(request.pk), "--as", cast.admin.email, "--hash", request.digest)
    assert AccessRequest.objects.get().state == "open"


def test_a_request_is_denied_with_a_reason(run, browser_of, cast):
    asked(browser_of("user"))
    request = AccessRequest.objects.get()
    run("deny", str(request.pk), "--as", cast.admin.email, "--reason", "Use the shared key.")
    assert AccessRequest.objects.get().state == "denied"
    with pytest.raises(CommandError, match="no such request"):
        run("show", "00000000-0000-4000-8000-000000000000")
