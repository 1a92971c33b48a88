"""What the tests of second factors share: browsers, addresses and events."""

from __future__ import annotations

from django.test import Client

from tests.cast import CHROME, PASSWORD, email_of
from tests.pages.helpers import events

LOGIN, STEP, CONFIRM = "/accounts/login/", "/accounts/login/second-factor/", "/accounts/reauthenticate/"
PASSKEY_LOGIN, CODES = "/accounts/login/passkey/", "/account/recovery-codes/"
WRONG = "This code is wrong"


def a_browser(ip: str = "203.0.113.5") -> Client:
    return Client(headers={"user-agent": CHROME}, REMOTE_ADDR=ip)


def after_password(browser: Client, name: str = "admin", **more: str):
    return browser.post(LOGIN, {"login": email_of(name), "password": PASSWORD, **more})


def is_in(browser: Client) -> bool:
    return browser.get("/account/").status_code == 200


def outcomes(kind: str) -> list[tuple[str, str]]:
    return [(event.outcome, event.details.get("method", "")) for event in events(type=kind)]
