"""Test which invisible characters are shown, and which stay because they join emoji and letters."""

from __future__ import annotations

from keys.rules.visible import named, visible, visible_page
from tests.support.cases import in_one_test

JOINED = [
    "می\u200cخواهم",  # noqa: RUF001 - Persian
    "क्\u200dष",
    "👨\u200d👩\u200d👧",
    "❤️\u200d🔥",
    "🏴\U000e0067\U000e0062\U000e007f",
    "1\ufe0f\u20e3",
]


@in_one_test("text", [*JOINED, "Zoë\tand\nothers", "שלום"])
def test_text_that_people_read_stays(text):
    assert visible(text) == text


@in_one_test(
    "text, shown",
    [
        *(
            (f"evil{chr(code)}gnp", f"evil[U+{code:04X}]gnp")
            for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
        ),
        ("pay\u200broll", "pay[U+200B]roll"),
        ("ad\u200dmin", "ad[U+200D]min"),
        ("admin\ufe0f", "admin[U+FE0F]"),
        ("\u3164", "[U+3164]"),
        ("a\x00b", "a[U+0000]b"),
        ("tag\U000e0041", "tag[U+E0041]"),
    ],
)
def test_other_invisible_characters_are_shown(text, shown):
    assert visible(text) == named(text) == shown


@in_one_test("name", ["", " ", "\u00a0\u3000", "\n"])
def test_a_blank_name_is_called_something(name):
    assert named(name) == "No name"


def test_a_name_is_one_line():
    assert named("Payroll\nPay here") == "Payroll[U+000A]Pay here"


def test_a_page_shows_them_except_in_what_its_forms_send_back():
    page = '<a title="\u202e">\u202e👨\u200d👩</a><input value="\u202e"><textarea>\u202e</textarea>'
    shown = '<a title="[U+202E]">[U+202E]👨\u200d👩</a><input value="\u202e"><textarea>\u202e</textarea>'
    assert visible_page(page.encode()).decode() == shown
