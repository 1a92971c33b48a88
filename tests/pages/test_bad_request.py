"""A form that the portal cannot read is answered with a sentence, and changes nothing."""

from __future__ import annotations

import pytest

from keys.models import AuditEvent
from tests.cast import a_key
from tests.pages.helpers import HTMX, text

TOO_MANY = {f"field-{number}": "x" for number in range(1100)}
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "path", ["/keys/new/scopes/", "/keys/bulk/select/", "/keys/{}/rescope/", "/accounts/login/"]
)
def test_a_form_with_too_many_fields(browser_of, cast, path):
    url = path.format(a_key(cast.admin).pk)
    response = browser_of("admin").post(url, TOO_MANY)
    assert (response.status_code, AuditEvent.objects.count()) == (400, 0)
    assert "The form has more fields than the portal accepts. Nothing was changed." in text(response)


def test_a_form_that_is_too_large_under_htmx_and_for_a_script(browser_of):
    admin, large = browser_of("admin"), {"text": "x" * 3_000_000}
    partial = admin.post("/keys/find/", "text=" + large["text"], content_type=FORM, headers=HTMX)
    assert (partial.status_code, partial["HX-Retarget"]) == (400, "#messages")
    assert "The form is larger than the portal accepts." in text(partial)
    script = admin.post(
        "/keys/find/", "text=" + large["text"], content_type=FORM, headers={"Accept": "application/json"}
    )
    assert script.json()["sentence"].startswith("The form is larger")


def test_a_visitor_and_a_wrong_host(db, client):
    assert "more fields" in text(client.post("/accounts/login/", TOO_MANY))
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400
