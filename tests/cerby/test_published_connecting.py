"""Reach Cerby: its address, its certificate, and the portal's own credentials."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from keys import cerby
from keys.actions.notifications.deliver import deliver_due
from keys.cerby import credentials
from keys.jobs.alerts import keep_alerts
from keys.models import CredentialRefusal
from keys.rules.errors import (
    CerbyInDoubt,
    CerbyNeverReached,
    CerbyUnauthorized,
)
from keys.selectors.health.alert_kinds import AlertKind
from keys.selectors.health.alerts import active_alerts
from keys.selectors.health.audit_log import audit_health
from tests.cerby.conftest import alerts, user_of
from tests.support import tls


@pytest.mark.parametrize(
    "ending", ["", "/", "/api/v1", "/api/v1/", "//", "/API/V1", "//api/v1//", "/api/v1/api/v1"]
)
def test_the_address_may_end_with_the_path_of_the_api(published, settings, ending):
    settings.CERBY_BASE_URL = published.url + ending
    assert len(list(cerby.connect().people())) == 3
    cerby.probe_key("cerby-unknown-0123456789abcdef")
    assert all("/api/v1/api/v1" not in path for _, path, _ in published.requests)


def test_a_renewed_file_is_read_without_a_restart(published, settings, tmp_path):
    owner = user_of(published, "olivia.owner@acme.example")["id"]
    file = tmp_path / "api-key"
    file.write_text("cerby-expired\n")
    settings.CERBY_API_KEY, settings.CERBY_API_KEY_FILE = "cerby-expired", file
    with pytest.raises(CerbyUnauthorized):
        list(cerby.connect().people())
    new = tmp_path / "new"
    new.write_text(published.add_key(owner, "read:users") + "\n")
    new.replace(file)
    client = cerby.connect()
    assert len(list(client.people())) == 3
    assert cerby.connect() is client
    for unusable in ("", "two words"):
        file.write_text(unusable)
        assert len(list(cerby.connect().people())) == 3
    file.unlink()
    assert len(list(cerby.connect().people())) == 3


@pytest.mark.parametrize("written", ["\ufeff{}\r\n", "\n{}\n\n", " {}\t"])
def test_what_editors_add_to_a_file_is_no_part_of_the_key(published, settings, tmp_path, written):
    file = tmp_path / "api-key"
    file.write_text(written.format(settings.CERBY_API_KEY), encoding="utf-8")
    settings.CERBY_API_KEY, settings.CERBY_API_KEY_FILE = "cerby-former", file
    assert len(list(cerby.connect().people())) == 3


def test_a_renewed_token_file_is_read_as_well(settings, tmp_path):
    file = tmp_path / "token"
    file.write_text("tok-1")
    settings.CERBY_TOKEN, settings.CERBY_TOKEN_FILE = "tok-1", file
    first = cerby.connect()
    file.write_text("tok-22")
    assert cerby.connect() is not first
    assert credentials.current("CERBY_TOKEN") == "tok-22"


def test_a_refused_credential_raises_one_alert_until_it_is_replaced(published, settings, tmp_path):
    file = tmp_path / "api-key"
    file.write_text("cerby-expired")
    os.utime(file, (1, 1))
    settings.CERBY_API_KEY, settings.CERBY_API_KEY_FILE = "cerby-expired", file
    for read in (cerby.connect().people, cerby.connect().vaults, cerby.connect().people):
        with pytest.raises(CerbyUnauthorized):
            list(read())
    found = [one for one in active_alerts(timezone.now(), audit_health()) if one.kind == "credential-refused"]
    assert [one.subject for one in found] == ["CERBY_API_KEY"]
    assert "has expired, was deleted, or lacks a scope" in found[0].words
    assert "cerby-expired" not in repr(found)
    file.write_text(published.add_key(user_of(published, "olivia.owner@acme.example")["id"], "read:users"))
    os.utime(file, (timezone.now().timestamp() + 5,) * 2)
    assert alerts() == {}


def test_a_file_that_was_prepared_before_the_refusal_ends_the_alert(published, settings, tmp_path):
    file, prepared = tmp_path / "api-key", tmp_path / "prepared"
    prepared.write_text(settings.CERBY_API_KEY)
    os.utime(prepared, (1, 1))
    file.write_text("cerby-expired")
    settings.CERBY_API_KEY, settings.CERBY_API_KEY_FILE = "cerby-expired", file
    with pytest.raises(CerbyUnauthorized):
        list(cerby.connect().people())
    assert AlertKind.CREDENTIAL_REFUSED in alerts()
    time.sleep(0.05)  # the kernel takes a file's times from its last tick, which may be before the refusal
    prepared.replace(file)
    assert alerts() == {}


def test_a_refusal_that_another_process_saw_is_over_once_the_call_succeeds(published, settings, monkeypatch):
    monkeypatch.setattr(credentials, "CHECK_EVERY", 0)
    CredentialRefusal.objects.create(
        credential="CERBY_API_KEY", doing="list the people of the workspace", refused_at=timezone.now()
    )
    list(cerby.connect().vaults())
    assert AlertKind.CREDENTIAL_REFUSED in alerts()
    list(cerby.connect().people())
    assert alerts() == {}


def test_a_refusal_is_over_once_the_same_call_succeeds(published, settings):
    good = settings.CERBY_API_KEY
    settings.CERBY_API_KEY = "cerby-expired"
    with pytest.raises(CerbyUnauthorized):
        list(cerby.connect().people())
    assert AlertKind.CREDENTIAL_REFUSED in alerts()
    settings.CERBY_API_KEY = good
    list(cerby.connect().people())
    assert alerts() == {}


def test_a_pasted_key_that_is_refused_raises_no_alert(published, ada):
    cerby.probe_key("cerby-unknown-0123456789abcdef")
    assert alerts() == {}


@pytest.mark.parametrize(
    ("left", "subject"),
    [
        (timedelta(days=31), None),
        (timedelta(days=29), "30 days"),
        (timedelta(days=13), "14 days"),
        (timedelta(days=6), "7 days"),
        (timedelta(hours=5), "1 days"),
        (timedelta(hours=-5), "expired"),
    ],
)
def test_operators_are_reminded_of_the_expiry(published, settings, left, subject):
    settings.CERBY_API_KEY_EXPIRES = timezone.now() + left
    found = [one.subject for one in active_alerts(timezone.now(), audit_health())]
    assert found == ([subject] if subject else [])


def test_each_reminder_is_mailed_once_and_a_replaced_one_is_not_called_resolved(published, settings):
    settings.PORTAL_ALERT_EMAILS = ("ops@acme.example",)
    for days in (29, 13, 6):
        settings.CERBY_API_KEY_EXPIRES = timezone.now() + timedelta(days=days)
        for _ in range(2):
            keep_alerts()
            deliver_due()
    assert [letter.subject for letter in mail.outbox] == [
        "[contenzilla] The portal's own API key expires"
    ] * 3
    settings.CERBY_API_KEY_EXPIRES = timezone.now() + timedelta(days=90)
    keep_alerts()
    deliver_due()
    assert len(mail.outbox) == 4
    assert "Resolved" in mail.outbox[-1].subject


@pytest.fixture
def https(tmp_path):
    """Return a function that serves a certificate for this machine and yields the address and the file."""

    @contextmanager
    def serve(**changes: Any):
        pem = tls.certificate(tmp_path, **changes)
        with tls.serving(pem) as hook:
            yield f"https://127.0.0.1:{hook.port}", pem

    return serve


@pytest.mark.parametrize(
    ("changes", "trusted", "said"),
    [
        ({"address": "127.0.0.1"}, False, "not trusted"),
        ({"address": "127.0.0.1", "days": -1}, True, "has expired"),
        ({}, True, "for another host"),
    ],
)
def test_why_tls_failed_is_said_and_logged(https, settings, printed, changes, trusted, said):  # noqa: PLR0917
    with https(**changes) as (url, pem):
        settings.CERBY_BASE_URL, settings.CERBY_API_KEY = url, "k"
        settings.CERBY_CA_FILE = str(pem) if trusted else ""
        with pytest.raises(CerbyNeverReached, match=said):
            list(cerby.connect().people())
    assert said in next(line for line in printed() if line["event"] == "cerby_call_failed")["reason"]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_authorities_that_is_gone_means_that_nothing_was_sent(https, settings, tmp_path, content):
    file = tmp_path / "ca.pem"
    with https(address="127.0.0.1") as (url, _):
        if content is not None:
            file.write_text(content)
        settings.CERBY_BASE_URL, settings.CERBY_API_KEY, settings.CERBY_CA_FILE = url, "k", str(file)
        for ask in (
            lambda: list(cerby.connect().people()),
            lambda: cerby.connect().save_secret(title="T", body="b", vault_id=uuid.uuid4()),
        ):
            with pytest.raises(CerbyNeverReached, match=r"CERBY_CA_FILE .* Ask a portal administrator"):
                ask()


def test_a_renewed_file_of_authorities_is_read_without_a_restart(https, settings, tmp_path):
    file = tmp_path / "ca.pem"
    with https(address="127.0.0.1") as (url, pem):
        settings.CERBY_BASE_URL, settings.CERBY_API_KEY, settings.CERBY_CA_FILE = url, "k", str(file)
        with pytest.raises(CerbyNeverReached):
            list(cerby.connect().people())
        file.write_bytes(pem.read_bytes())
        with pytest.raises(CerbyInDoubt):
            list(cerby.connect().people())


def test_a_private_authority_is_trusted(https, settings):
    with https(address="127.0.0.1") as (url, pem):
        settings.CERBY_BASE_URL, settings.CERBY_API_KEY, settings.CERBY_CA_FILE = url, "k", str(pem)
        with pytest.raises(CerbyInDoubt):  # the server was reached: it answers 501 to a GET
            list(cerby.connect().people())
