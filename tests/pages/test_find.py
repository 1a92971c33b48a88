"""Test "Is this ours?": it finds the keys in a text, and the text is not kept."""

from __future__ import annotations

import gzip
import io
import random
import string
import tempfile
import time
import uuid
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from keys.actions.keys import find_leaked
from keys.audit import log
from keys.crypto import fingerprint
from keys.forms.existing_key import LARGEST_IMPORT
from keys.models import ApiKey, Notification
from keys.rules.events import Event
from keys.rules.lifecycle import State
from portal import uploads
from tests.cast import a_key
from tests.pages.helpers import attribute, elements, events, links, reason_beside, text, the

URL = "/keys/find/"


@pytest.fixture
def admin(browser_of):
    return browser_of("admin")


@pytest.fixture
def leaked(cast, settings):
    """A key of the inventory, and its plain text."""

    def make(pepper_id: str | None = None, **columns) -> tuple[ApiKey, str]:
        plain = f"sbx_{uuid.uuid4().hex}-{uuid.uuid4().hex}"
        print_ = fingerprint.compute(plain, peppers=settings.PORTAL_PEPPERS, pepper_id=pepper_id)
        facts = {"fingerprint": print_.digest, "pepper_id": print_.pepper_id, "last_four": plain[-4:]}
        key = a_key(columns.pop("owner", cast.owner), **facts | columns)
        digest = fingerprint.digest_for_log(print_)
        log.append(Event.KEY_REGISTERED, actor=None, key=key, fingerprint_digest=digest)
        return key, plain

    return make


def look(browser, said: str = "", file: bytes | None = None):
    sent: dict = {"text": said}
    if file is not None:
        sent["file"] = SimpleUploadedFile("app.log", file, "text/plain")
    return browser.post(URL, sent)


def answer(response) -> str:
    return text(response).partition("Look at something else")[0]


def test_both_pages_lead_here(admin):
    for page in ("/", "/keys/"):
        assert links(admin.get(page))["Is this ours?"] == URL


@pytest.mark.parametrize(("person", "leads"), [("user", True), ("guest", False)])
def test_an_owner_gets_only_links_that_they_may_follow(browser_of, cast, person, leads):
    a_key(cast[person])
    found = links(browser_of(person).get("/keys/"))
    assert ("Is this ours?" in found) is leads
    assert not {"Register a key", "Generate API key"} & found.keys()


def test_the_answer_is_whose_key_its_scopes_its_status_and_how_to_end_it(admin, leaked):
    key, plain = leaked(name="Payroll", scopes=["read:users", "write:automations"])
    response = look(admin, f"export API_KEY={plain}")
    said = answer(response)
    for words in (
        "“Payroll”",
        "Owner Person",
        "owner@contenzilla.example",
        "Active",
        "Read users, Write automated jobs",
    ):
        assert words in said
    assert links(response)["Delete API key"] == f"/keys/{key.pk}/delete/"
    assert links(response)["API key settings"] == f"/keys/{key.pk}/"


def test_an_answer_that_the_audit_log_does_not_confirm_says_so(admin, leaked, cast):
    """Somebody swaps the fingerprints of two keys, or adds a row, so that the answer names the wrong key."""
    doubt = "The audit log does not confirm this"
    (key, plain), (other, other_plain) = leaked(name="One"), leaked()
    assert doubt not in answer(look(admin, plain))
    other.delete()
    ApiKey.objects.filter(pk=key.pk).update(fingerprint=other.fingerprint)
    said = answer(look(admin, other_plain))
    assert doubt in said
    assert "This may be “One”, and anyone who has it may be using it" in said
    ended = {"state": State.REVOKED, "removed_at": timezone.now()}
    a_key(cast.owner, name="Two", fingerprint=key.fingerprint, pepper_id=key.pepper_id, **ended)
    said = answer(look(admin, plain))
    assert doubt in said
    assert "This may be “Two”, and anyone" in said, "that it ended is not proved either"


@pytest.mark.parametrize("pepper_id", ["p0", "p1"])
def test_every_pepper_is_tried(admin, leaked, pepper_id):
    _, plain = leaked(pepper_id)
    assert "anyone who has it may be using it" in answer(look(admin, plain))


def test_a_key_is_found_in_a_file_of_ten_megabytes_which_never_touches_a_disk(admin, leaked, monkeypatch):
    """Known-bad control: Django's default handlers open a temporary file for an upload of this size."""

    def refuse(*_, **__):
        raise AssertionError("a temporary file was opened")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    _, plain = leaked()
    filler = b"2026-11-23 12:00:00 INFO request handled in 12 ms\n" * 200_000
    file = filler[: 10 * 1024 * 1024 - 200] + f"\nX-API-Key: {plain}\n".encode()
    started = time.process_time()
    assert "anyone who has it may be using it" in answer(look(admin, file=file))
    assert time.process_time() - started < 20


def test_a_file_full_of_tokens_is_answered_in_time(admin, leaked):
    _, plain = leaked()
    letters = random.Random(7)
    tokens = ["".join(letters.choices(string.ascii_letters + string.digits, k=40)) for _ in range(20_000)]
    tokens[9_999] = plain
    assert "anyone who has it may be using it" in answer(look(admin, file="\n".join(tokens).encode()))
    [event] = events(type="key:find")
    assert 20_000 <= event.details["candidates"] <= 60_000
    assert event.details["hits"] == 1


def test_a_larger_file_is_refused(admin):
    response = look(admin, file=b"x" * (10 * 1024 * 1024 + 1))
    assert response.status_code == 422
    assert "larger than 10 MB" in reason_beside(response, "id_file")


def test_a_key_in_an_archive_is_found_without_a_file_on_disk(admin, leaked, monkeypatch):
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: pytest.fail("a temporary file was opened"))
    _, plain = leaked(name="Payroll")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("logs/app.log.gz", gzip.compress(f"key={plain}".encode()))
        archive.writestr("keys.7z", b"7z\xbc\xaf\x27\x1c")
    said = answer(look(admin, file=file.getvalue()))
    assert "This is “Payroll”" in said
    assert "The portal could not search all of it" in said
    assert "app.log: keys.7z: It is a 7z archive." in said


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"PK\x03\x04", b"\x1f\x8b", b"Rar!\x1a", b"\x89PNG"])
def test_a_file_that_cannot_be_read_is_never_called_not_in_the_inventory(admin, content):
    """Known-bad control: a text without a key is."""
    said = answer(look(admin, file=content))
    assert "The portal could not search all of it" in said
    assert "Not in the inventory" not in said
    assert "Not in the inventory" in answer(look(admin, file=b"text"))


def test_the_answer_shows_the_last_use_and_the_recent_activity(admin, browser_of, leaked):
    key, plain = leaked(last_used_at=datetime(2026, 11, 2, 10, tzinfo=UTC))
    log.append(Event.KEY_RESCOPED, actor=None, key=key, before=["read:users"], after=["read:items"])
    said = answer(look(admin, plain))
    assert "Last used" in said
    assert "2 November 2026, 10:00:00 UTC" in said
    assert "Scopes changed" in said.partition("Recent activity")[2]
    assert "Recent activity" not in answer(look(browser_of("user"), plain))


def test_several_keys_in_one_text_are_all_named(admin, leaked):
    texts = [leaked(name=name)[1] for name in ("Payroll", "Billing")]
    said = answer(look(admin, f"{texts[0]}, {texts[1]}, {texts[0]}"))
    assert said.count("This is “Payroll”") == said.count("This is “Billing”") == 1


@pytest.mark.parametrize("said", ["nothing of the kind", "sbx_" + "0" * 40, "x" * 99_999])
def test_an_unknown_text_is_not_in_the_inventory(admin, leaked, said):
    leaked()
    assert "Not in the inventory" in answer(look(admin, said))
    assert events(type="key:find")[-1].details["hits"] == 0


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"state": State.REVOKED}, "no longer works"),
        ({"state": State.REVOKING}, "anyone who has it may be using it"),
        ({}, "anyone who has it may be using it"),
    ],
)
def test_the_answer_says_whether_a_key_still_works(admin, leaked, columns, said):
    if columns.get("state") == State.REVOKED:
        columns = columns | {"removed_at": "2026-01-01T00:00:00Z"}
    _, plain = leaked(**columns)
    assert said in answer(look(admin, plain))


def test_the_input_is_neither_shown_nor_stored(admin, leaked, caplog):
    caplog.set_level("DEBUG")
    _, plain = leaked()
    stranger = f"ghp_{uuid.uuid4().hex}"
    pages = [
        look(admin, f"{plain} {stranger}"),
        look(admin, f"{stranger} " * 4000),
        look(admin, file=stranger.encode()),
    ]
    assert [page.status_code for page in pages] == [200, 422, 200]
    held = "".join(page.content.decode() for page in pages) + caplog.text + repr(dict(admin.session))
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            held += repr(cursor.execute(f"SELECT * FROM {table}").fetchall())
    held += repr(vars(cache).get("_cache", ""))
    assert stranger not in held
    assert plain not in held
    assert pages[0]["Cache-Control"] == "no-store, private, no-transform"


def test_only_numbers_are_recorded(admin, leaked, cast):
    _, plain = leaked()
    look(admin, f"{plain} and {'b' * 30}")
    [event] = events(type="key:find")
    told = [str(uid) for uid in Notification.objects.values_list("uid", flat=True)]
    assert (event.details, event.key_id, event.actor_email) == (
        {"candidates": event.details["candidates"], "hits": 1, "notifications": told},
        None,
        cast.admin.email,
    )


def test_after_ten_times_in_a_minute_it_is_enough_for_this_person(admin, browser_of, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_800_000_030.0)
    assert [look(admin, "x").status_code for _ in range(11)] == [200] * 10 + [429]
    assert "Try again in 60 seconds" in text(look(admin, "x"))
    assert look(browser_of("owner"), "x").status_code == 200
    monkeypatch.setattr(time, "time", lambda: 1_800_000_090.0)
    assert look(admin, "x").status_code == 200
    assert len(events(type="key:find")) == 12


def test_a_file_for_which_there_is_no_memory_is_refused_and_the_pasted_text_is_kept(admin, monkeypatch):
    monkeypatch.setattr(uploads, "HELD_AT_ONCE", 100_000)
    response = look(admin, "pasted <text>", file=b"x" * 200_000)
    assert response.status_code == 503
    assert "Choose the file again in a minute." in text(response)
    assert b"pasted &lt;text&gt;</textarea>" in response.content
    assert response["Cache-Control"] == "no-store, private, no-transform"
    assert look(admin, file=b"x" * 90_000).status_code == 200
    assert events(type="key:find")[0].details["candidates"] == 0


@pytest.mark.parametrize("url", [URL, "/keys/import/", "/accounts/login/", "/keys/nothing/"])
def test_the_memory_of_a_file_is_returned_and_other_pages_keep_none(admin, monkeypatch, url):
    held: list[int] = []
    take = uploads._Memory.take

    def take_and_tell(memory: Any, size: int) -> Any:
        held.append(size)
        return take(memory, size)

    monkeypatch.setattr(uploads._Memory, "take", take_and_tell)
    admin.post(url, {"file": SimpleUploadedFile("a.log", b"x" * 3_000_000), "text": ""})
    largest = {URL: 10 * 1024 * 1024, "/keys/import/": LARGEST_IMPORT}.get(url, 0)
    assert sum(held) <= largest
    assert bool(held) is bool(largest)
    assert uploads._Memory._held == 0


def test_long_texts_wait_for_a_turn_and_short_ones_do_not(admin, leaked, monkeypatch):
    """Known-bad control: as soon as a turn is free, the same text is searched."""
    monkeypatch.setattr(find_leaked, "FEW", 5)
    monkeypatch.setattr(find_leaked, "PATIENCE", 0.01)
    _, plain = leaked()
    long = f"{' '.join('b' * size for size in range(30, 40))} {plain}"
    for _ in range(find_leaked.AT_ONCE):
        find_leaked._turns.acquire()
    try:
        response = look(admin, long)
        assert response.status_code == 503
        assert "searching other large files" in text(response)
        assert plain.encode() in response.content, "the person need not paste it again"
        assert "anyone who has it may be using it" in answer(look(admin, plain))
    finally:
        for _ in range(find_leaked.AT_ONCE):
            find_leaked._turns.release()
    for _ in range(find_leaked.AT_ONCE + 1):
        assert "anyone who has it may be using it" in answer(look(admin, long))


def test_after_too_many_searches_the_pasted_text_is_kept(admin, monkeypatch):
    monkeypatch.setattr(find_leaked, "PER_MINUTE", 1)
    look(admin, "x")
    response = look(admin, "pasted text")
    assert response.status_code == 429
    assert b"pasted text</textarea>" in response.content


def test_an_empty_form_is_refused(admin):
    response = look(admin)
    assert response.status_code == 422
    assert reason_beside(response, "id_text") == "Paste some text or choose a file."
    assert reason_beside(look(admin, file=b""), "id_file") == "The file is empty."


def test_a_user_sees_the_owner_and_contacts_but_may_not_delete_the_key(browser_of, leaked):
    _, plain = leaked(name="Payroll")
    response = look(browser_of("user"), plain)
    assert "Owner Person" in answer(response)
    assert "You may not delete it. Tell its owner immediately" in answer(response)
    assert not {"Delete API key", "API key settings"} & links(response).keys()


def test_a_user_may_delete_their_own(browser_of, leaked, cast):
    key, plain = leaked(owner=cast.user)
    assert links(look(browser_of("user"), plain))["Delete API key"] == f"/keys/{key.pk}/delete/"


@pytest.mark.parametrize("person", ["login_only", "guest"])
def test_others_are_refused(browser_of, person):
    browser = browser_of(person)
    assert browser.get(URL).status_code == look(browser, "x" * 30).status_code == 403


def test_the_look_up_uses_the_index(leaked):
    leaked()
    rows = ApiKey.objects.filter(fingerprint__in=[b"0", b"1"]).order_by()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # reading so few rows is faster than using an index
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert "key_fingerprint_once" in rows.explain()


def test_the_fields_are_not_sent_to_spelling_services_or_password_managers(admin):
    page = admin.get(URL)
    field = the(page, id="id_text")
    assert (attribute(field, "spellcheck"), attribute(field, "autocomplete")) == ("false", "off")
    assert elements(page, "script", src="/static/vendor/htmx.min.js") == []
