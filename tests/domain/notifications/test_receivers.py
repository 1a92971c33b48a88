"""Run the receivers of docs/notifications.md against real deliveries."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from keys.actions.notifications.deliver import deliver_due
from keys.delivery import channels
from keys.delivery.channels import signed_headers
from tests.house.project import ROOT
from tests.support import tls
from tests.support.channels import a_channel, a_delivery
from tests.support.ports import free_port

PAGE = (ROOT / "docs" / "notifications.md").read_text()
PROGRAMS = {"python": [sys.executable, "-c"], "js": ["node", "-e"]}


def program(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def answer(port: int, headers: dict[str, str], body: bytes) -> int:
    """Return the status of the receiver, which has half a minute to start."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body, headers=headers, method="POST")
    ends = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status
        except urllib.error.HTTPError as refusal:
            return refusal.code
        except urllib.error.URLError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("language", PROGRAMS)
def test_it_accepts_a_delivery_and_refuses_forged_and_old_ones(db, tmp_path, monkeypatch, settings, language):
    settings.PORTAL_CHANNELS_PRIVATE = True
    secret, former = channels.new_secret(), channels.new_secret()
    sealed = [{"sealed": channels.seal(one), "until": None} for one in (former, secret)]
    with tls.known_here(tmp_path, monkeypatch) as hook:
        a_delivery(a_channel(f"https://{tls.NAME}:{hook.port}/in", secrets=sealed))
        assert deliver_due() == "Sent: 1; failed: 0"
    [body], [sent] = [taken[2] for taken in hook.taken], hook.headers
    headers = {name: value for name, value in sent.items() if name.startswith("webhook-")}
    port = free_port()
    environment = {**os.environ, "SECRET": secret, "PORT": str(port)}
    receiver = subprocess.Popen(
        [*PROGRAMS[language], program(language)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        now, uid = int(time.time()), headers["webhook-id"]
        assert answer(port, signed_headers(uid, now, body, [former, secret]), body) == 204
        assert answer(port, signed_headers(uid, now, body, [channels.new_secret()]), body) == 401
        assert answer(port, signed_headers(uid, now, body, [secret]), body + b" ") == 401
        assert answer(port, signed_headers(uid, now - 301, body, [secret]), body) == 401
        is_recent = now - int(headers["webhook-timestamp"]) < 200
        assert not is_recent or answer(port, headers, body) == 204
    finally:
        receiver.kill()
        receiver.wait()
