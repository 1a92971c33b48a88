"""The command `find_key`: find a key's owner without showing or storing the input."""

from __future__ import annotations

import gzip
import io
import os
import pty
import subprocess
import sys
import uuid

import pytest
from django.core.management import CommandError, call_command

from keys.crypto import fingerprint
from keys.models import ApiKey, Notification
from tests.cast import a_key
from tests.pages.helpers import events
from tests.support.script import ROOT

STRANGER = f"ghp_{uuid.uuid4().hex}"


def leaked(owner, settings, **columns) -> tuple[ApiKey, str]:
    """Return a key of the inventory and its plain text."""
    plain = f"sbx_{uuid.uuid4().hex}-{uuid.uuid4().hex}"
    print_ = fingerprint.compute(plain, peppers=settings.PORTAL_PEPPERS)
    facts = {"fingerprint": print_.digest, "pepper_id": print_.pepper_id, "last_four": plain[-4:]}
    return a_key(owner, **facts | columns), plain


def find_key(*arguments: str) -> str:
    out = io.StringIO()
    call_command("find_key", *arguments, stdout=out)
    return out.getvalue()


def test_it_shows_the_owner_the_scopes_and_who_may_delete_it(cast, settings, tmp_path):
    key, plain = leaked(cast.owner, settings, name="Payroll", scopes=["read:users", "write:automations"])
    file = tmp_path / "app.log"
    file.write_text(f"12:00 API_KEY={plain} {STRANGER}\n")
    said = find_key(str(file))
    for words in (
        "“Payroll”. Anyone who has it can use it.",
        "Owner Person, owner@contenzilla.example",
        "Active",
        "Read users, Write automated jobs",
        f"http://testserver/keys/{key.pk}/",
        "Who may delete it: Owner, Super Admin, Admin, the key's owner",
    ):
        assert words in said
    assert plain not in said


def test_it_is_recorded_like_the_page_and_the_input_is_not_stored(cast, settings, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    _, plain = leaked(cast.owner, settings)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{plain}\n{STRANGER}".encode())))
    said = find_key()
    [event] = events(type="key:find")
    assert (event.actor_id, event.actor_name, event.details) == (
        None,
        "The portal",
        {
            "candidates": event.details["candidates"],
            "hits": 1,
            "notifications": [str(Notification.objects.get().uid)],
        },
    )
    held = said + caplog.text + bytes(event.leaf).decode()
    assert plain not in held
    assert STRANGER not in held


def test_it_reports_an_unknown_key_as_not_in_the_inventory(db, tmp_path):
    (tmp_path / "text").write_text(STRANGER)
    assert find_key(str(tmp_path / "text")).startswith("Not in the inventory")


def test_it_looks_into_archives_and_says_what_it_could_not_read(cast, settings, tmp_path):
    _, plain = leaked(cast.owner, settings, name="Payroll")
    (tmp_path / "logs.gz").write_bytes(gzip.compress(plain.encode()))
    assert "“Payroll”" in find_key(str(tmp_path / "logs.gz"))
    (tmp_path / "logs.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    said = find_key(str(tmp_path / "logs.7z"))
    assert "Not searched: logs.7z. It is a 7z archive." in said
    assert "Not in the inventory" not in said


def test_an_error_does_not_quote_the_input(db, tmp_path):
    with pytest.raises(CommandError, match="cannot be read: No such file or directory"):
        find_key(str(tmp_path / "nothing"))
    (tmp_path / "large").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    with pytest.raises(CommandError, match="larger than 10 MB"):
        find_key(str(tmp_path / "large"))


def test_a_terminal_prompts_for_the_key_without_echo(committed_cast, database, settings, tmp_path):
    _, plain = leaked(committed_cast.owner, settings, name="Payroll")
    terminal, its_end = pty.openpty()
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DATA_DIR": str(tmp_path),
        "DATABASE_URL": database if isinstance(database, str) else "",
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "find_key"],
        cwd=ROOT,
        env=env,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,  # without a controlling terminal
    )
    os.close(its_end)
    shown = until(terminal, "not shown): ")
    os.write(terminal, f"{plain}\n".encode())
    shown += until(terminal, "Who may delete it")
    assert process.wait(60) == 0
    os.close(terminal)
    assert "“Payroll”" in shown
    assert plain not in shown


def until(terminal: int, words: str) -> str:
    """Return the output up to ``words``. Fail if the terminal closes first."""
    shown = b""
    while words.encode() not in shown:
        shown += os.read(terminal, 4096)
    return shown.decode()
