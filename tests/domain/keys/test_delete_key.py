"""The command `delete_key`: the checks of the page on the command line."""

from __future__ import annotations

import io
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.actions.keys.revoke import revoke_key
from keys.actions.people.throttle import CONFIRMATION
from keys.models import ApiKey, User
from keys.rules.lifecycle import State
from tests.cast import a_key, a_live_key
from tests.pages.helpers import events
from tests.support.authenticators import add_app, code_of

PASSWORD = "a long enough password 1"


@pytest.fixture
def delete(monkeypatch, cast, sandbox):
    def run(key: str, email: str, *lines: str, confirm: str | None = None) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        out = io.StringIO()
        options = ["--confirm", confirm] if confirm is not None else []
        call_command("delete_key", key, "--as", email, *options, stdout=out)
        return out.getvalue()

    for person in (cast.admin, cast.user):
        person.set_password(PASSWORD)
        person.save()
    return run


@pytest.fixture
def declared(cast) -> ApiKey:
    return a_key(cast.owner, name="Payroll", origin="declared", cerby_id=None)


def test_a_key_is_deleted_after_the_password_and_its_name(delete, declared, cast):
    said = delete(f"http://testserver/keys/{declared.pk}/", cast.admin.email.upper(), PASSWORD, "Payroll")
    declared.refresh_from_db()
    assert declared.state == State.REVOKING
    assert f"http://testserver/keys/{declared.pk}/removal/" in said
    confirmed, *_ = events(type="session:confirm")
    assert (confirmed.outcome, confirmed.actor_email, confirmed.browser) == (
        "done", cast.admin.email, "manage.py delete_key",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("email", "lines", "said"),
    [
        ("admin@contenzilla.example", ["wrong", "Payroll"], "The email or the password is wrong"),
        ("admin@contenzilla.example", [PASSWORD, "Payrol"], "not the name of the key"),
        ("user@contenzilla.example", [PASSWORD, "Payroll"], "There is no such API key"),
    ],
)
def test_nothing_is_deleted_without_each_check(delete, declared, email, lines, said):
    with pytest.raises(CommandError, match=said):
        delete(str(declared.pk), email, *lines)
    declared.refresh_from_db()
    assert declared.state == State.HELD


def test_guesses_are_limited_together_with_those_on_the_pages(delete, declared):
    for _ in range(CONFIRMATION.burst):
        with pytest.raises(CommandError, match="The email or the password is wrong"):
            delete(str(declared.pk), "admin@contenzilla.example", "wrong", "Payroll")
    with pytest.raises(CommandError, match="There were too many wrong passwords"):
        delete(str(declared.pk), "admin@contenzilla.example", PASSWORD, "Payroll")


def test_a_person_with_a_second_factor_needs_it_here_too(delete, declared, cast, browser_of):
    secret, _ = add_app(browser_of("admin"))
    for lines in ([PASSWORD, "Payroll"], [PASSWORD, "000000", "Payroll"]):
        with pytest.raises(CommandError, match="This code is wrong"):
            delete(str(declared.pk), cast.admin.email, *lines)
    delete(str(declared.pk), cast.admin.email, PASSWORD, code_of(secret), "Payroll")
    declared.refresh_from_db()
    assert declared.state == State.REVOKING
    confirmed = events(type="session:confirm", outcome="done", browser="manage.py delete_key")
    assert [event.details["method"] for event in confirmed] == ["password", "app"]


def test_a_person_who_must_have_a_second_factor_adds_it_first(delete, declared, cast, settings):
    settings.PORTAL_MFA_REQUIRED, settings.PORTAL_MFA_GRACE_DAYS = "admins", 7
    User.objects.filter(pk=cast.admin.pk).update(factor_asked_at=timezone.now() - timedelta(days=8))
    with pytest.raises(CommandError, match="must add a second factor"):
        delete(str(declared.pk), cast.admin.email, PASSWORD, "Payroll")


def test_it_asks_cerby_for_the_role_as_the_page_does(delete, declared, cast, settings, caplog):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    cast.admin.role_checked_at = timezone.now() - timedelta(hours=2)
    cast.admin.save()
    with pytest.raises(CommandError, match="does not confirm your role"):
        delete(str(declared.pk), cast.admin.email, PASSWORD, confirm="Payroll")
    declared.refresh_from_db()
    assert declared.state == State.HELD
    assert caplog.records == []  # no line of JSON stands between the prompts


def test_a_wrong_id_and_an_unknown_person_are_refused(delete, declared):
    with pytest.raises(CommandError, match="not the id of a key"):
        delete("Payroll", "admin@contenzilla.example", PASSWORD)
    with pytest.raises(CommandError, match="The email or the password is wrong"):
        delete(str(declared.pk), "nobody@contenzilla.example", PASSWORD)


@pytest.mark.parametrize("cerby_answers", [True, False])
def test_a_key_that_the_worker_removed_meanwhile_is_deleted(cast, sandbox, settings, cerby_answers):
    key, _ = a_live_key(sandbox, cast.owner, state=State.REVOKING)
    as_a_person_read_it = ApiKey.objects.get(pk=key.pk)
    revoke_key(key, None)
    if not cerby_answers:
        settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    revoke_key(as_a_person_read_it, cast.admin.as_actor())
    assert as_a_person_read_it.state == State.REVOKED
    assert [event.outcome for event in events(type="key:delete")] == ["done"]
