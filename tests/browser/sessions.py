"""Sign in without rendering the form, and age a session at once."""

from __future__ import annotations

import re
import time
from http import HTTPStatus

from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from playwright.sync_api import BrowserContext, Page

from keys.models.session import hash_of
from tests.browser import steps
from tests.browser.portal_process import PASSWORD, Portal

_SALT = "django.contrib.sessions.SessionStore"


def sign_in(browser: BrowserContext, who: str) -> None:
    """Submit the sign-in form over HTTP."""
    form = browser.request.get("/accounts/login/").text()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    entered = {"csrfmiddlewaretoken": token, "login": steps.email_of(who), "password": PASSWORD}
    answer = browser.request.post("/accounts/login/", form=entered, max_redirects=0)
    assert answer.status == HTTPStatus.FOUND, answer.text()


def end(page: Page) -> None:
    """End the session, as after 30 idle minutes. The browser's other data stays."""
    page.context.clear_cookies(name="portal")


def age(portal: Portal, page: Page, *, seconds: int) -> None:
    """Make the sign-in older by this time."""
    [cookie] = [cookie for cookie in page.context.cookies() if cookie["name"] == "portal"]
    secret = (portal.data / "secret-key").read_text()
    key = hash_of(cookie["value"])
    [(data,)] = portal.rows("SELECT session_data FROM django_session WHERE session_key = ?", key)
    session = signing.loads(data, key=secret, salt=_SALT, serializer=JSONSerializer)
    for record in session["account_authentication_methods"]:
        record["at"] = time.time() - seconds
    data = signing.dumps(session, key=secret, salt=_SALT, serializer=JSONSerializer, compress=True)
    portal.change("UPDATE django_session SET session_data = ? WHERE session_key = ?", data, key)
