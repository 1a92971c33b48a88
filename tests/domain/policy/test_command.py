"""Test the command `policy`: what the pages do, on the command line."""

from __future__ import annotations

import io
import re
import sys

import pytest
from django.core.management import CommandError, call_command

from keys.models import PolicyVersion
from keys.models.policy import DEFAULT_DOCUMENT
from keys.rules.policy.written import write
from tests.cast import PASSWORD, a_key
from tests.support.policies import enforced


@pytest.fixture
def policy(monkeypatch, cast, sandbox):
    def run(*arguments: str, password: str = PASSWORD) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        out = io.StringIO()
        call_command("policy", *arguments, stdout=out)
        return out.getvalue()

    return run


def test_a_policy_is_exported_checked_proposed_and_approved(policy, cast, tmp_path):
    assert policy("export") == DEFAULT_DOCUMENT
    file = tmp_path / "policy.json"
    file.write_text(write(enforced(TEAM={})))
    a_key(cast.user, name="Robot", team="")
    checked = policy("check", str(file))
    assert "Team: enforces; keys outside: 1 today, 1 then" in checked
    seen = re.findall(r"[0-9a-f]{64}", checked)[0]
    propose = ("propose", str(file), "--as", cast.owner.email, "--reason", "R", "--seen")
    with pytest.raises(CommandError, match=r"The email or the password is wrong. Nothing was saved."):
        policy(*propose, seen, password="wrong")
    with pytest.raises(CommandError, match="have changed"):
        policy(*propose, "0" * 64)
    assert "must approve it" in policy(*propose, seen)
    assert "Version 1 waits for a decision: R" in policy("show")
    with pytest.raises(CommandError, match="another Owner or Super Admin must approve it"):
        policy("approve", "1", "--as", cast.owner.email, "--seen", seen)
    assert (
        policy("approve", "1", "--as", cast.super_admin.email, "--seen", seen) == "Version 1 is in force.\n"
    )
    assert PolicyVersion.objects.get().state == "active"
    assert policy("export").encode() == file.read_bytes()
    assert "Team (enforce): Every key must name a team." in policy("show")
    with pytest.raises(CommandError, match="cannot be read"):
        policy("check", str(tmp_path / "missing"))
