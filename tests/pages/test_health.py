"""Probes: alive when the process answers, ready when the database does."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client


@pytest.mark.parametrize("url", ["/livez", "/readyz"])
def test_they_answer_without_a_sign_in_and_are_never_kept(db, url):
    response = Client().get(url)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]
    assert "Set-Cookie" not in response
    assert not response.cookies


def test_alive_asks_the_database_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/livez").status_code == 200


def test_without_its_tables_it_is_alive_but_not_ready(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE keys_apikey RENAME TO keys_apikey_gone")
    assert Client().get("/livez").status_code == 200
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert "database" in response.json()["status"]


def test_cerby_being_down_does_not_stop_reading(db, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    assert Client().get("/readyz").status_code == 200


@pytest.mark.parametrize("url", ["/livez", "/readyz"])
def test_probes_ask_in_plain_http_behind_tls(db, settings, url):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get(url).status_code == 200
    assert Client().get("/keys/").status_code == 301
