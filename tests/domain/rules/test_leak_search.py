"""Find keys in archives and below encodings, within bounds, and report what could not be searched."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import quopri
import random
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest

from keys.rules import leak_search
from keys.rules.leak_search import LeakSearch
from tests.support.cases import in_one_test

KEY = "sbx_kZ3-9xQ_aa71bCdEfGhIjKlMnOpQrStUvWxYz012345"
PADDED = "q83vEjRWeJq8EjRWeJq8EjRWeA=="
DOTTED = "eyJhbGciOi.eyJzdWIiOi-x.SflKxwRJSMeKKF2QT4"
ODD = "k!3y$with*odd@signs#and%more^than&that"


def search(content: bytes) -> tuple[set[str], list[str]]:
    """Return the candidates and why parts were not searched."""
    found = LeakSearch()
    candidates = set(found.in_file(io.BytesIO(content)))
    return candidates, [part.why for part in found.unread]


def zipped(content: bytes, name: str = "a.log") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def tarred(content: bytes, mode: str = "w", name: str = "a.log") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def packed(key: str) -> Iterator[tuple[str, bytes]]:
    log = f"12:00 key {key} used\n".encode()
    yield "zip", zipped(log)
    yield "gzip", gzip.compress(log)
    yield "two gzips", gzip.compress(b"first") + gzip.compress(log)
    yield "tar", tarred(log)
    yield "tar.gz", tarred(log, "w:gz")
    yield "tar.xz with a long name", tarred(log, "w:xz", "n" * 300)
    yield "bz2", bz2.compress(log)
    yield "xz", lzma.compress(log)
    yield "lzma", lzma.compress(log, format=lzma.FORMAT_ALONE)
    yield "nested", zipped(tarred(gzip.compress(zipped(log)), "w:bz2"))
    runs = f"<w:t>Key {key[:9]}</w:t></w:r><w:r><w:t>{html.escape(key[9:])}</w:t></w:r></w:p>"
    yield "docx", zipped(f"<w:p><w:r>{runs}<w:p>next</w:p>".encode(), "word/document.xml")
    yield (
        "xlsx",
        zipped(f"<si><t>{html.escape(key)}</t></si><si><t>x</t></si>".encode(), "xl/sharedStrings.xml"),
    )


def encoded(key: str) -> Iterator[tuple[str, bytes]]:
    for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield encoding, f"Schlüssel 日本: {key}\n".encode(encoding)
    yield "environ", f"A=1\0KEY={key}\0B=2".encode()
    yield "percent", quote(key, safe="").encode()
    yield "percent twice", quote(quote(key, safe=""), safe="").encode()
    yield "percent only", "".join(f"%{ord(one):02x}" for one in key).encode()
    yield "form", urlencode({"a": f"Bearer {key}", "b": "x"}).encode()
    yield "json in json", json.dumps({"k": json.dumps({"v": key + '"é'})}).encode()
    yield "json escapes", "".join(f"\\u{ord(one):04x}" for one in key).encode()
    yield "hex escapes", "".join(f"\\x{ord(one):02x}" for one in key).encode()
    yield "php", json.dumps(f"a/{key}").replace("/", "\\/").encode()
    yield "html", html.escape(f'<a b="{key}">').encode()
    yield "html numbers", "".join(f"&#{ord(one)};" for one in key).encode()
    yield "html hex", "".join(f"&#x{ord(one):x};" for one in key).encode()
    yield "html tag in it", f"<code>{key[:9]}<wbr>{key[9:]}</code>".encode()
    yield "quoted-printable", quopri.encodestring(f"{'text = ' * 8}{key}\nfoo=\n".encode())
    yield "quoted-printable break", f"{key[:15]}=\r\n{key[15:]}".encode()
    yield "soft hyphen", f"{key[:9]}\u00ad{key[9:]}".encode()
    yield "red", f"\x1b[32m+\x1b[m\x1b[32mKEY=\x1b[01;31m\x1b[K{key}\x1b[m\x1b[K".encode()
    yield "red in the middle", f"{key[:9]}\x1b[01;31m\x1b[K{key[9:14]}\x1b[m\x1b[K{key[14:]}".encode()
    yield "red in json", f'"\\u001b[31m{key}\\u001b[0m"'.encode()
    yield "red without escape", f"[32m{key}[0m".encode()


def in_base64(key: str) -> Iterator[tuple[str, bytes]]:
    plain = f"x=1 key {key} end".encode()
    yield "whole", base64.b64encode(key.encode())
    yield "kubernetes", b"data:\n  api_key: " + base64.b64encode(key.encode()) + b"\n"
    yield "url-safe", base64.urlsafe_b64encode(key.encode()).rstrip(b"=")
    yield "basic auth", b"Authorization: Basic " + base64.b64encode(f"api:{key}".encode())
    yield "basic auth, user", json.dumps(base64.b64encode(f"{key}:x".encode()).decode()).encode()
    yield "mime", base64.encodebytes(b"some text before it, some text before it " * 3 + plain)
    yield "twice", base64.b64encode(base64.b64encode(plain))
    yield "gzip", base64.b64encode(gzip.compress(plain))
    yield "zip in a mail", base64.encodebytes(zipped(plain * 20))
    yield "powershell", base64.b64encode(plain.decode().encode("utf-16-le"))
    yield "hex", plain.hex().encode()


def broken(key: str) -> Iterator[tuple[str, bytes]]:
    for between in ("\n", "\r\n", "\n    ", "\\\n", "\n+", "\n> ", '"\n  "', '" +\n  "', "\n13: "):
        for at in (3, 12, 22):
            yield f"{between!r} at {at}", f"KEY={key[:at]}{between}{key[at:]}\nNEXT=1".encode()
    parts = [key[:10], key[10:20], key[20:]]
    yield "in three", f"key: {f'{chr(10)}  '.join(parts)}\nfoo: bar".encode()
    yield "in three of a diff", f"+key: {f'{chr(10)}+'.join(parts)}\n+foo: bar".encode()
    yield "in two strings", f'k = "{key[:10]}" + "{key[10:]}"'.encode()


def surrounded(key: str) -> Iterator[tuple[str, bytes]]:
    for around in (
        "+{}",
        "-{}",
        "_{}_",
        "__{}__",
        "**{}**",
        "~~{}~~",
        '"{}"',
        "'{}'",
        "`{}`",
        "“{}”",
        "«{}»",
        "-> {}.",
    ):
        yield f"a {around} b", f"word {around.format(key)} word".encode()
        yield around, around.format(key).encode()
    yield "an option", f"--key={key}".encode()


@in_one_test("key", [KEY, PADDED, DOTTED, ODD])
@in_one_test("ways", [packed, encoded, in_base64, broken, surrounded])
def test_a_key_is_found_in_whatever_it_is_wrapped(key, ways):
    missed = [name for name, content in ways(key) if search(content) != (search(content)[0] | {key}, [])]
    assert missed == []


def damaged(content: bytes) -> bytes:
    return content[:200] + bytes([content[200] ^ 255]) + content[201:]


def encrypted() -> bytes:
    content = bytearray(zipped(KEY.encode()))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


RANDOM = random.Random(7).randbytes(3_000)


@in_one_test(
    "content, why",
    [
        (encrypted(), "It is encrypted."),
        (zipped(encrypted()), "It is encrypted."),
        (damaged(zipped(RANDOM)), "It is damaged or incomplete."),
        (zipped(RANDOM)[:1_000], "It is damaged or incomplete."),
        (gzip.compress(RANDOM)[:-20], "It is damaged or incomplete."),
        (tarred(RANDOM, "w:xz")[:-200], "It is damaged or incomplete."),
        (tarred(RANDOM)[:2_000], "It is damaged or incomplete."),
        (b"7z\xbc\xaf\x27\x1c...", "It is a 7z archive."),
        (b"Rar!\x1a...", "It is a RAR archive."),
        (b"%PDF-1.7", "It is a PDF file."),
        (zipped(b"\x89PNG"), "It is an image."),
        (b"\xd0\xcf\x11\xe0", "It is an older or encrypted Office file."),
        (RANDOM, "Part of it looks compressed or encrypted."),
        (RANDOM[:500], "Part of it looks compressed or encrypted."),
    ],
)
def test_it_reports_what_it_cannot_read(content, why):
    assert why in search(content)[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift-jis", "euc-kr"])
def test_text_in_any_language_counts_as_read(encoding):
    text = "한국어" if encoding == "euc-kr" else "日本語のテキスト"
    assert search((text * 200).encode(encoding))[1] == []


def test_one_unreadable_part_does_not_hide_a_key_in_another():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.7z", b"7z\xbc\xaf\x27\x1c")
        archive.writestr("b.log", KEY)
    candidates, why = search(file.getvalue())
    assert KEY in candidates
    assert why == ["It is a 7z archive."]


def test_the_names_of_parts_contain_no_key():
    found = LeakSearch()
    assert KEY in set(found.in_file(io.BytesIO(zipped(b"%PDF-", f"{KEY}.pdf"))))
    [part] = found.unread
    assert KEY not in part.name


def many_files() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(501):
            archive.writestr(str(number), b"")
    return file.getvalue()


def nested(times: int, copies: int) -> bytes:
    content = b"hi"
    for _ in range(times):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(copies):
                archive.writestr(f"{number}.zip", content)
        content = file.getvalue()
    return content


ZEROS = bytes(20_000_000)
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip": (lambda: zipped(ZEROS), "more than 100 MB"),
    "gzip of gzip": (lambda: gzip.compress(gzip.compress(ZEROS)), "more than 100 MB"),
    "bzip2": (lambda: bz2.compress(ZEROS) * 2, "more than 100 MB"),
    "xz": (lambda: lzma.compress(ZEROS), "more than 100 MB"),
    "files": (many_files, "more than 500 files"),
    "deep": (lambda: nested(12, 1), "an archive within 8 others"),
    "wide": (lambda: nested(4, 10), "more than 500 files"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_within_the_bounds(bomb, monkeypatch):
    """Known-bad control: without the limit, it unpacks 20 MB and takes as much memory or time as it likes."""
    monkeypatch.setattr(leak_search, "LARGEST_UNPACKED", 500_000)
    monkeypatch.setattr(leak_search, "MOST_FILES", 500)
    make, why = BOMBS[bomb]
    content = make()
    if bomb == "zip":
        monkeypatch.setattr(leak_search, "LARGEST_UNPACKED", 30_000_000)
        assert search(content)[1] == []
        monkeypatch.setattr(leak_search, "LARGEST_UNPACKED", 500_000)
    tracemalloc.start()
    started = time.process_time()
    reasons = search(content)[1]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert any(why in reason for reason in reasons), reasons
    assert peak < 16_000_000
    assert time.process_time() - started < 30


def test_a_search_ends_in_time(monkeypatch):
    monkeypatch.setattr(leak_search, "SECONDS", -1)
    assert search(f"key {KEY}".encode())[1] == [
        "The search was stopped after -1 seconds. Search it in smaller parts."
    ]


def test_a_long_search_asks_once_before_it_goes_on():
    asked = []
    search_ = LeakSearch(before_long=lambda: asked.append(1))
    list(search_.in_file(io.BytesIO(gzip.compress(b"a line of a log\n" * 200_000))))
    assert asked == [1]


def test_a_base64_value_across_windows_is_found():
    content = base64.b64encode(b"some text before " * 20_000 + KEY.encode() + b" and after it" * 20_000)
    assert KEY in search(content)[0]
