"""Test the import of keys: the dry run reports each line, and the import does exactly that."""

from __future__ import annotations

import html
import re
import uuid
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from keys.actions.keys import import_keys
from keys.evidence.row_check import contradictions
from keys.models import ApiKey, User
from keys.rules.lifecycle import EXPIRY_NOT_KNOWN, State
from keys.selectors.key.import_file import MOST_LINES
from keys.selectors.key.imports import LARGEST
from tests.cast import a_key
from tests.pages.helpers import elements, events, links, messages_of, reason_beside, rows, text, words
from tests.support.cases import in_one_test

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
    [count] = re.findall(r'name="count" value="(\d+)"', response.content.decode())
    return browser.post(CONFIRM, {"text": textarea(response), "count": count})


def textarea(response) -> str:
    [held] = re.findall(
        r'<textarea name="text" hidden>\n(.*?)</textarea>', response.content.decode(), re.DOTALL
    )
    return html.unescape(held).replace("\r\n", "\n").replace("\n", "\r\n")


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


@in_one_test(
    "line, said",
    [
        (",owner@contenzilla.example,2027-01-31,Why,read:users,", "The name is missing"),
        ("N,nobody@contenzilla.example,2027-01-31,Why,read:users,", "Cerby knows nobody with the email"),
        ("N,,2027-01-31,Why,read:users,", "Cerby knows nobody with the email “”"),
        ("N,owner@contenzilla.example,soon,Why,read:users,", "“soon” under expires is not a time"),
        ("N,owner@contenzilla.example,,Why,read:users,", "There is nothing under expires"),
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
    other = a_key(cast.admin, name="payroll")
    response = dry_run(admin, GOOD, line)
    assert ("Show the other key" in links(response)) is said.startswith("The inventory already has")
    assert links(response).get("Show the other key", f"/keys/{other.pk}/") == f"/keys/{other.pk}/"
    first, second = outcomes(response)
    assert first == "Declared"
    assert second.startswith("Skipped")
    assert said in second
    assert "Import 1 key" in [words(button) for button in elements(response, "button")]
    confirm(admin, response)
    assert set(ApiKey.objects.values_list("name", flat=True)) == {"payroll", "Nightly export"}


def test_line_numbers_are_the_files(admin):
    response = dry_run(admin, "", '"Two\nlines",owner@contenzilla.example,2027-01-31,Why,read:users,', GOOD)
    assert [row["Line"] for row in rows(response)] == ["3", "5"]


@in_one_test(
    "content, said",
    [
        (b"", "The file is empty."),
        (b"\n \n", "The file is empty."),
        (HEADER.encode(), "a header but no keys"),
        (b"name,owner\nx,y", "The columns expires, purpose, scopes are missing"),
        (f"{HEADER},name\n{GOOD},x".encode(), "appears twice"),
        (b'name,owner,expires,purpose,scopes\n"unended', "is not CSV"),
        (f"{HEADER}\n{GOOD}\nNight\0ly,x".encode(), "Line 3 contains the character NUL"),
        ("name,owner,expires,purpose,scopes\nNächtlich für “Zoë”".encode()[:-4], "is damaged UTF-8"),
        (b"name,owner,expires,purpose,scopes\nN\x81chtlich", "in another encoding"),
        (b"name,owner,expires,purpose,scopes\n" + b"x" * LARGEST, "larger than 2 MB"),
        ("\n".join([HEADER] + [GOOD] * (MOST_LINES + 1)).encode(), "5,001 keys"),
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


AS_PEOPLE_HAVE_THEM = {
    "Excel's UTF-8": lambda text: ("\ufeff" + text).encode(),
    "Excel's CSV": lambda text: text.encode("cp1252"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "semicolons": lambda text: text.replace(";", "/").replace(",", ";").replace("/", ",").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "sep=": lambda text: f"sep=|\r\n{text.replace(',', '|')}".encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "trailing columns": lambda text: text.replace("\n", ",,,\n").encode() + b",,,",
    "trailing lines": lambda text: f"{text}\n,,,,,\n\n".encode(),
}


@in_one_test("way", AS_PEOPLE_HAVE_THEM)
def test_files_are_read_as_people_have_them(admin, way):
    line = GOOD.replace("Copies accounts.", "Copies “accounts” für Zoë.")
    response = upload(admin, AS_PEOPLE_HAVE_THEM[way](f"{HEADER}\n{line}"))
    assert outcomes(response) == ["Declared"]
    assert ("It was read as Windows-1252" in text(response)) is (way == "Excel's CSV")
    assert confirm(admin, response).status_code == 302
    key = ApiKey.objects.get()
    assert (key.name, key.purpose, key.scopes) == (
        "Nightly export", "Copies “accounts” für Zoë.", ["read:items", "read:users"],
    )  # fmt: skip


def test_columns_that_are_not_used_are_named_and_their_cells_are_not_sent_back(admin):
    secret = "sbx_4fQ9xZk2mB7vR1tY8wLc"
    lines = [f"{GOOD},{secret}\nx", f'{GOOD.replace("Nightly", "Weekly")},"\n",surplus']
    response = dry_run(admin, "", *lines, header=f"{HEADER},Key")
    assert "This column is not used: Key." in text(response)
    assert secret not in response.content.decode()
    first, _, third = rows(response)
    assert (first["Line"], first["What would happen"]) == ("3", "Declared")
    assert third["Line"] == "5"
    assert "more cells than the header" in third["What would happen"]
    again = admin.post(CONFIRM, {"text": textarea(response), "count": "1"})
    assert again.status_code == 302
    assert ApiKey.objects.get().name == "Nightly export"


def test_a_line_break_in_quotes_becomes_a_space(admin):
    response = dry_run(admin, GOOD.replace("Nightly export", '"Nightly\r\n export"'))
    confirm(admin, response)
    assert ApiKey.objects.get().name == "Nightly export"


@in_one_test(
    "written, read",
    [
        ("2027-01-31", "31 January 2027, 00:00 (Europe/Berlin)"),
        ("2027-01-31 14:05", "31 January 2027, 14:05 (Europe/Berlin)"),
        ("2027-01-31T14:05Z", "31 January 2027, 15:05 (Europe/Berlin)"),
        ("31-Jan-27", "31 January 2027, 00:00 (Europe/Berlin)"),
        ("31.01.2027", "31 January 2027, 00:00 (Europe/Berlin)"),
        ("31/01/2027 2:05 PM", "31 January 2027, 14:05 (Europe/Berlin)"),
        ("01/31/2027", "31 January 2027, 00:00 (Europe/Berlin)"),
        ('"Jan 31, 2027"', "31 January 2027, 00:00 (Europe/Berlin)"),
        ("31 January 2027 14:05 UTC", "31 January 2027, 15:05 (Europe/Berlin)"),
    ],
)
def test_the_preview_shows_how_each_date_was_read(admin, written, read):
    admin.cookies["portal-tz"] = "Europe/Berlin"
    response = dry_run(admin, GOOD.replace("2027-01-31", written))
    assert outcomes(response) == ["Declared"]
    assert rows(response)[0]["Expires"] == read
    assert "read in yours, Europe/Berlin" in text(response)


def test_a_date_that_may_be_two_days_is_refused_unless_another_date_decides(admin):
    either = GOOD.replace("2027-01-31", "01/02/2027")
    [outcome] = outcomes(dry_run(admin, either))
    assert "may be 1 February 2027 or 2 January 2027" in outcome
    other = GOOD.replace("2027-01-31", "31/01/2027").replace("Nightly export", "Other")
    assert rows(dry_run(admin, either, other))[0]["Expires"].startswith("1 February 2027")


def test_the_portals_own_export_is_a_round_trip(admin, cast):
    admin.cookies["portal-tz"] = "Asia/Kolkata"
    first = a_key(
        cast.owner,
        name="'=Zoë, the\u202e “first” ",
        origin="declared",
        cerby_id=None,
        purpose="-1 a day",
        note="=Ask Ada",
        **ApiKey.accountable_columns(None),
    )
    a_key(cast.owner, name="Gone", state=State.REVOKED, removed_at="2026-01-01T00:00:00Z")
    a_key(cast.owner, name="Mistake", state=State.WITHDRAWN)
    a_key(cast.owner, name="Waiting", state=State.REQUESTED)
    adopted = a_key(
        cast.owner,
        name="Adopted",
        origin="declared",
        cerby_id=None,
        scopes=[],
        expires_at=EXPIRY_NOT_KNOWN,
        created_known=False,
        team="Data, and more",
        tags=["a", "b"],
        review_on="2026-12-24",
    )
    content = b"".join(admin.get("/keys/export/?sort=name").streaming_content)
    ApiKey.objects.filter(pk=adopted.pk).update(state=State.WITHDRAWN)
    before = (
        first.name,
        first.purpose,
        first.owner_id,
        first.scopes,
        first.expires_at.replace(microsecond=0),
    )
    ApiKey.objects.filter(pk=first.pk).update(state=State.WITHDRAWN)
    response = upload(admin, content)
    assert "These columns are not used: Key id, Owner, Last used (UTC), Note, Stored at (UTC)," in text(
        response
    )
    said = {row["API key name"]: row["What would happen"] for row in rows(response)}
    assert said["'=Zoë, the[U+202E] “first”"] == "Declared"
    assert "status in the export is Removed" in said["Gone"]
    assert "Mistake" not in said
    assert "status in the export is Pending" in said["Waiting"]
    assert said["Adopted"] == "Declared"
    assert confirm(admin, response).status_code == 302
    after = ApiKey.objects.get(state=State.HELD, name=first.name)
    assert (after.name, after.purpose, after.owner_id, after.scopes, after.expires_at) == before
    assert (after.note, after.accountable_id) == ("=Ask Ada", None)
    assert [one for one in contradictions() if "according to the log" in one.words] == []
    after = ApiKey.objects.get(state=State.HELD, name="Adopted")
    assert (after.scopes, after.expires_at, after.created_known) == ([], EXPIRY_NOT_KNOWN, False)
    assert (after.team, after.tags, str(after.review_on)) == ("Data, and more", ["a", "b"], "2026-12-24")
    assert after.accountable_id == adopted.accountable_id


def test_every_name_that_cerby_accepts_is_accepted_and_direction_overrides_are_shown(admin):
    names = ["Family 👨\u200d👩\u200d👧", "می\u200cخواهم", "evil\u202egnp", "\u200b"]  # noqa: RUF001 - Persian
    response = dry_run(admin, *(GOOD.replace("Nightly export", name) for name in names))
    assert outcomes(response) == ["Declared"] * 4
    assert [row["API key name"] for row in rows(response)] == [*names[:2], "evil[U+202E]gnp", "[U+200B]"]
    confirm(admin, response)
    assert set(ApiKey.objects.values_list("name", flat=True)) == set(names)
    assert "evil[U+202E]gnp" in admin.get("/keys/").content.decode()


def test_five_thousand_keys_are_previewed_in_few_queries(admin, django_assert_max_num_queries):
    lines = [GOOD.replace("Nightly export", f"Key {number}") for number in range(MOST_LINES)]
    with django_assert_max_num_queries(40):
        response = dry_run(admin, *lines)
    assert b"5000 of 5000 lines can be imported" in response.content


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


def test_somebody_who_was_created_again_in_cerby_under_the_same_email_gets_the_key(admin, cast):
    """The portal's row of the earlier one has the email; Cerby has another person with it."""
    left = {"cerby_id": uuid.uuid4(), "is_active": False, "left_at": timezone.now()}
    User.objects.filter(pk=cast.user.pk).update(**left)
    line = f"Key,{cast.user.email},2027-01-31,Copies accounts.,Read users,2026-01-02,{cast.user.email}"
    confirm(admin, dry_run(admin, line, header=f"{HEADER},accountable"))
    key = ApiKey.objects.select_related("owner").get()
    assert (key.owner_id != cast.user.pk, key.owner.left_at) == (True, None)
    assert (key.owner.email, key.accountable_id) == (cast.user.email, key.owner_id)


def test_others_can_write_during_a_large_import(admin, monkeypatch):
    """On SQLite, one transaction for all lines kept everybody else from writing for twenty seconds."""
    monkeypatch.setattr(import_keys, "AT_ONCE", 2)
    written = []
    monkeypatch.setattr("time.sleep", lambda _: written.append(ApiKey.objects.count()))
    confirm(admin, dry_run(admin, *(GOOD.replace("Nightly export", f"Key {number}") for number in range(5))))
    assert (written, ApiKey.objects.count()) == ([2, 4], 5)
    assert ApiKey.objects.values("imported_in").distinct().count() == 1


def test_changes_since_the_dry_run_are_checked_again(admin, cast):
    response = dry_run(admin, GOOD)
    a_key(cast.owner, name="Nightly export")
    again = confirm(admin, response)
    assert again.status_code == 422
    assert ApiKey.objects.count() == 1


def test_many_keys_are_imported_together_and_the_answer_counts_what_was_left_out(admin, cast):
    lines = [GOOD.replace("Nightly export", f"Key {number}") for number in range(60)]
    response = dry_run(admin, *lines)
    assert outcomes(response) == ["Declared"] * 60
    a_key(cast.owner, name="Key 7")
    assert confirm(admin, response).status_code == 302
    assert ApiKey.objects.filter(imported_in__isnull=False).count() == 59
    said = messages_of(admin.get("/keys/"))
    assert "59 keys are declared." in said
    assert "1 line was left out, because the inventory has changed since the preview." in said
    assert [one for one in contradictions() if "according to the log" in one.words] == []


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
