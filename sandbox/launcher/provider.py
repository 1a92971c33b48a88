"""``OIDC=1 make run``: run a real sign-in provider with the demo people beside the portal."""

from __future__ import annotations

import json
import secrets
import shutil
import urllib.request
from pathlib import Path

from sandbox.demo import PEOPLE
from sandbox.launcher.processes import Processes

FOLDER = Path(__file__).resolve().parents[1] / "provider"
SHOWN = ("owner", "super-admin", "admin", "user", "login-only", "guest", "former.admin", "daniel.kim")
"""The demo people who may sign in, one who is disabled in Cerby, and one who was not added to the portal."""
CLIENT = "cerby-key-portal"
READY_SECONDS = 60


def missing() -> str:
    """Return what the provider needs and does not find, as a sentence, or ""."""
    if shutil.which("node") is None:
        return "OIDC=1 needs Node.js 20 or newer with npm. The portal starts without SSO."
    if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        return (
            "OIDC=1 needs the packages of sandbox/provider: run .ci/provider. The portal starts without SSO."
        )
    return ""


def settings_for(port: int) -> dict[str, str]:
    """Return the portal's settings for the provider on ``port``."""
    return {
        "PORTAL_OIDC_ISSUER": f"http://127.0.0.1:{port}",
        "PORTAL_OIDC_CLIENT_ID": CLIENT,
        "PORTAL_OIDC_CLIENT_SECRET": secrets.token_hex(32),
    }


def start(processes: Processes, data: Path, env: dict[str, str]) -> None:
    """Start the provider for the portal at PORTAL_URL, and wait until it answers."""
    issuer = env["PORTAL_OIDC_ISSUER"]
    people = [one for one in PEOPLE if one.name in SHOWN]
    config = {
        "port": int(issuer.rpartition(":")[2]),
        "client_id": env["PORTAL_OIDC_CLIENT_ID"],
        "client_secret": env["PORTAL_OIDC_CLIENT_SECRET"],
        "redirect_uris": [f"{env['PORTAL_URL']}/accounts/sso/callback/"],
        "people": [
            {
                "sub": f"demo-{one.name}",
                "name": f"{one.first_name} {one.last_name}",
                "email": f"{one.name}@contenzilla.example",
                "email_verified": True,
            }
            for one in sorted(people, key=lambda one: SHOWN.index(one.name))
        ],
    }
    file = data / "provider.json"
    file.write_text(json.dumps(config))
    child = processes.start("provider", ["node", str(FOLDER / "provider.mjs"), str(file)], env)
    processes.wait_until_ready(child, lambda: _answers(issuer), READY_SECONDS)


def _answers(issuer: str) -> bool:
    try:
        with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=5) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except OSError:
        return False
