"""The control for our own step-up: allauth's plain openid_connect login, used as a re-authentication.

    python -m tests.support.stock_sign_in

A person signs in, and an hour later does so "again", in each of several wrong ways. Prints as JSON, for each of
them, whether the session became fresh, and whether it became another person's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings

from tests.support import odd_provider
from tests.support.odd_provider import OddProvider

PEOPLE = ("first", "second")
Way = Callable[[OddProvider, str], str]
WAYS: dict[str, Way] = {
    "no prompt": lambda at, url: at.answer(url, sub="first", auth_time=int(time.time()) - 3600),
    "no auth_time": lambda at, url: at.answer(url, sub="first"),
    "another sub": lambda at, url: at.answer(url, sub="second"),
    "another issuer": lambda at, url: at.answer(url, sub="first", iss="http://127.0.0.1:1"),
    "wrong nonce": lambda at, url: at.answer(url, sub="first", nonce="another"),
    "weak acr": lambda at, url: at.answer(url, sub="first", acr="0"),
}


def configure(issuer: str) -> None:
    app = {
        "provider_id": "stock",
        "name": "Stock",
        "client_id": odd_provider.CLIENT,
        "secret": odd_provider.SECRET,
        "settings": {"server_url": issuer, "fetch_userinfo": False},
    }
    settings.configure(
        SECRET_KEY="only for this program",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
            *("django.contrib.messages", "allauth", "allauth.account", "allauth.socialaccount"),
            "allauth.socialaccount.providers.openid_connect",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        ROOT_URLCONF="allauth.urls",
        LOGIN_REDIRECT_URL="/",
        SOCIALACCOUNT_LOGIN_ON_GET=True,
        SOCIALACCOUNT_PROVIDERS={"openid_connect": {"APPS": [app]}},
    )
    django.setup()


def outcomes(provider: OddProvider) -> dict[str, dict[str, bool]]:
    from allauth.socialaccount.models import SocialAccount
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    for name in PEOPLE:
        user = User.objects.create_user(name, f"{name}@contenzilla.example")
        SocialAccount.objects.create(user=user, provider="stock", uid=name)
    found = {}
    for name, way in WAYS.items():
        browser = Client()
        browser.get(provider.answer(browser.get("/oidc/stock/login/")["Location"], sub="first"))
        session: Any = browser.session
        session["account_authentication_methods"] = [{"method": "socialaccount", "at": time.time() - 3600}]
        session.save()
        browser.get(way(provider, browser.get("/oidc/stock/login/")["Location"]))
        records = browser.session["account_authentication_methods"]
        who = User.objects.get(pk=browser.session["_auth_user_id"]).username
        found[name] = {"fresh": time.time() - records[-1]["at"] < 300, "another person": who != "first"}
    return found


if __name__ == "__main__":
    with odd_provider.serving() as provider:
        configure(provider.issuer)
        print(json.dumps(outcomes(provider)))
