"""What time alone would do to a sign-in, done at once."""

from __future__ import annotations

import time

from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from playwright.sync_api import Page

from tests.browser import steps
from tests.browser.portal_process import Portal

_SALT = "django.contrib.sessions.SessionStore"


def sign_in(page: Page, who: str, *, to: str = "/roles/") -> None:
    """A sign-in of this browser's own, which a test may end or age."""
    page.goto(f"/accounts/login/?next={to}")
    steps.fill_in_sign_in(page, who)
    page.wait_for_url(f"**{to}")


def end(page: Page) -> None:
    """The session is over, as after 30 idle minutes; what else the browser keeps stays."""
    page.context.clear_cookies(name="portal")


def age(portal: Portal, page: Page, *, seconds: int) -> None:
    """The person gave their password that much earlier."""
    [cookie] = [cookie for cookie in page.context.cookies() if cookie["name"] == "portal"]
    secret = (portal.data / "secret-key").read_text()
    sql = "SELECT session_data FROM django_session WHERE session_key = ?"
    [(data,)] = portal.rows(sql, cookie["value"])
    session = signing.loads(data, key=secret, salt=_SALT, serializer=JSONSerializer)
    for record in session["account_authentication_methods"]:
        record["at"] = time.time() - seconds
    data = signing.dumps(session, key=secret, salt=_SALT, serializer=JSONSerializer, compress=True)
    portal.change("UPDATE django_session SET session_data = ? WHERE session_key = ?", data, cookie["value"])
