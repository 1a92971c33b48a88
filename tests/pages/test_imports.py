"""Test the import of keys: the dry run reports each line, and the import does exactly that."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from keys.models import ApiKey, User
from keys.selectors.key.imports import LARGEST, MOST_LINES
from tests.cast import a_key
from tests.pages.helpers import elements, events, links, messages_of, reason_beside, rows, text, words

URL, CONFIRM = "/keys/import/", "/keys/import/confirm/"
HEADER = "name,owner,expires,purpose,scopes,created"
GOOD = (
    "Nightly export,owner@contenzilla.example,2027-01-31,Copies accounts.,Read users; read:items,2026-01-02"
)


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


def dry_run(browser, *lines: str, header: str = HEADER):
    return upload(browser, "\n".join([header, *lines]).encode())


def upload(browser, content: bytes):
    return browser.post(URL, {"file": SimpleUploadedFile("keys.csv", content, "text/csv")})


def confirm(browser, response):
    """Press "Import n keys": submit the form as a browser does."""
    [held] = re.findall(
        r'<textarea name="text" hidden>\n(.*?)</textarea>', response.content.decode(), re.DOTALL
    )
    return browser.post(CONFIRM, {"text": html.unescape(held).replace("\n", "\r\n")})


def outcomes(response) -> list[str]:
    return [row["What would happen"] for row in rows(response)]


def test_the_dry_run_changes_nothing_and_the_import_matches_it(admin, cast):
    second = "On-call bot,ADMIN@contenzilla.example,2027-03-01T12:00+01:00,Pages.,read:users,"
    response = dry_run(admin, GOOD, second)
    assert outcomes(response) == ["Declared", "Declared"]
    assert not ApiKey.objects.exists()
    done = confirm(admin, response)
    assert done["Location"] == "/keys/"
    assert "2 keys are declared" in messages_of(admin.get("/keys/"))
    export, bot = ApiKey.objects.order_by("created_at")
    assert (export.name, export.owner_id, export.origin) == ("Nightly export", cast.owner.pk, "declared")
    assert export.scopes == ["read:items", "read:users"]
    assert export.created_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert bot.expires_at == datetime(2027, 3, 1, 11, tzinfo=UTC)
    assert [event.key_name for event in events(type="key:register")] == ["Nightly export", "On-call bot"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (",owner@contenzilla.example,2027-01-31,Why,read:users,", "The name is missing"),
        ("N,nobody@contenzilla.example,2027-01-31,Why,read:users,", "Cerby knows nobody with the email"),
        ("N,,2027-01-31,Why,read:users,", "Cerby knows nobody with the email “”"),
        ("N,owner@contenzilla.example,soon,Why,read:users,", "“soon” under expires is not a time"),
        ("N,owner@contenzilla.example,2020-01-31,Why,read:users,", "has already expired"),
        ("N,owner@contenzilla.example,2027-01-31,,read:users,", "The purpose is missing"),
        ("N,owner@contenzilla.example,2027-01-31,Why,,", "Select at least one scope"),
        ("N,owner@contenzilla.example,2027-01-31,Why,read:all,", "“read:all” is not a scope"),
        ("N,owner@contenzilla.example,2027-01-31,Why,read:users,2100-01-01", "in the future"),
        ("N,owner@contenzilla.example,2027-01-31,Why,read:users,,surplus", "more cells than the header"),
        (GOOD, "Line 2 already declares a key with this name and owner"),
        (
            "Payroll,admin@contenzilla.example,2027-01-31,Why,read:users,",
            "The inventory already has a key with this name",
        ),
    ],
)
def test_a_line_that_cannot_be_imported_is_left_out_with_the_reason(admin, cast, line, said):
    a_key(cast.admin, name="payroll")
    response = dry_run(admin, GOOD, line)
    first, second = outcomes(response)
    assert first == "Declared"
    assert second.startswith("Skipped")
    assert said in second
    assert "Import 1 key" in [words(button) for button in elements(response, "button")]
    confirm(admin, response)
    assert set(ApiKey.objects.values_list("name", flat=True)) == {"payroll", "Nightly export"}


def test_line_numbers_are_the_files(admin):
    response = dry_run(admin, "", '"Two\nlines",owner@contenzilla.example,2027-01-31,Why,read:users,', GOOD)
    assert [row["Line"] for row in rows(response)] == ["4", "5"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\n \n", "The file is empty."),
        (HEADER.encode(), "a header but no keys"),
        (b"name,owner\nx,y", "The column expires, purpose, scopes is missing"),
        (f"{HEADER},key\n{GOOD},sbx_x".encode(), "There is no column “key”"),
        (f"{HEADER},name\n{GOOD},x".encode(), "appears twice"),
        (b'name,owner,expires,purpose,scopes\n"unended', "is not CSV"),
        ("name,owner,expires,purpose,scopes\nNächtlich".encode("latin-1"), "is not UTF-8"),
        (b"name,owner,expires,purpose,scopes\n" + b"x" * LARGEST, "larger than 1 MB"),
        ("\n".join([HEADER] + [GOOD] * (MOST_LINES + 1)).encode(), "1,001 keys"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(admin, content, said):
    response = upload(admin, content)
    assert response.status_code == 422
    assert said in reason_beside(response, "id_file")
    assert elements(response, "table") == []


@pytest.mark.parametrize("name", ["keys.xlsx", "keys", "keys.csv.exe"])
def test_a_file_with_another_extension_is_refused(admin, name):
    content = f"{HEADER}\n{GOOD}".encode()
    response = admin.post(URL, {"file": SimpleUploadedFile(name, content, "text/csv")})
    assert response.status_code == 422
    assert "does not end in .csv" in reason_beside(response, "id_file")


def test_a_european_excel_file_is_accepted(admin):
    line = GOOD.replace("; ", ", ").replace(",", ";", 4)
    content = (
        "\ufeff" + HEADER.replace(",", ";") + "\r\n" + line.replace(",2026-01-02", ";2026-01-02") + "\r\n"
    )
    assert outcomes(upload(admin, content.encode())) == ["Declared"]


def test_unknown_owners_are_read_from_cerby_in_one_listing(admin, sandbox):
    for number in range(3):
        email = f"new{number}@contenzilla.example"
        sandbox.add_person(email=email, first_name="N", last_name=str(number), role="workspace_user")
    lines = [GOOD.replace("owner@", f"new{number}@") for number in range(3)]
    before = len(sandbox.journal())
    response = dry_run(admin, *lines)
    assert len(sandbox.journal()) - before == 1
    assert not User.objects.filter(email__startswith="new").exists()
    confirm(admin, response)
    assert ApiKey.objects.filter(owner__email__startswith="new").count() == 3


def test_changes_since_the_dry_run_are_checked_again(admin, cast):
    response = dry_run(admin, GOOD)
    a_key(cast.owner, name="Nightly export")
    again = confirm(admin, response)
    assert again.status_code == 422
    assert ApiKey.objects.count() == 1


def test_many_keys_are_imported_together(admin):
    lines = [GOOD.replace("Nightly export", f"Key {number}") for number in range(60)]
    response = dry_run(admin, *lines)
    assert outcomes(response) == ["Declared"] * 60
    assert confirm(admin, response).status_code == 302
    assert ApiKey.objects.count() == 60


def test_names_are_text_on_the_page_and_on_the_way_back(admin):
    name = "</textarea><script>alert(1)</script>\"'&amp;"
    response = dry_run(admin, GOOD.replace("Nightly export", '"' + name.replace('"', '""') + '"'))
    assert "<script>alert" not in response.content.decode()
    assert confirm(admin, response).status_code == 302
    assert ApiKey.objects.get().name == name


def test_an_outage_of_cerby_is_reported_and_nothing_is_imported(admin, settings):
    settings.CERBY_BASE_URL = "http://127.0.0.1:9"
    response = dry_run(admin, GOOD.replace("owner@", "stranger@"))
    assert response.status_code == 503
    assert "Nothing was imported" in text(response)


@pytest.mark.parametrize("person", ["user", "login_only", "guest"])
def test_only_admins_import(browser_of, person):
    browser = browser_of(person)
    assert dry_run(browser, GOOD).status_code == 403
    assert browser.post(CONFIRM, {"text": f"{HEADER}\n{GOOD}"}).status_code == 403
    assert not ApiKey.objects.exists()


def test_the_register_page_leads_here(admin):
    assert links(admin.get("/keys/register/"))["Import many from a CSV file"] == URL
