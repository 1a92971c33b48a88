"""Templates obey the Content-Security-Policy: no inline code, a nonce for htmx, no unescaped output."""

from __future__ import annotations

import ast
import re

from tests.house.project import texts
from tests.support.cases import in_one_test

TEMPLATES = texts("templates/*.html", "templates/*.txt")
MARKUP = TEMPLATES | {
    path: text for path, text in texts("keys/templatetags/*.py", "keys/views/*.py").items() if "<" in text
}
ACTING = re.compile(r"\shx-(?:get|post|put|patch|delete|on|trigger|headers|boost|vals|action|ws|sse)\b")
TAG = re.compile(r"<[a-zA-Z][^<>]*(?:<[^<>]*>[^<>]*)*>")
UNESCAPED_FOR_A_REASON = {
    (
        "templates/components/field_notes.html",
        "|safe",
    ): "the help text of a form is written in the form's class",
    ("templates/keys/help.html", "|safe"): "keys/selectors/help.py escapes the text of the files",
}


def tags(text: str) -> list[str]:
    """Return every start tag. Remove template syntax first, because its ``>`` could end a tag."""
    plain = re.sub(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}", "", text, flags=re.DOTALL)
    return TAG.findall(re.sub(r"{%.*?%}", " ", plain, flags=re.DOTALL))


@in_one_test("path", MARKUP)
def test_no_style_script_or_handler_is_inline(path):
    found = tags(MARKUP[path])
    assert [tag for tag in found if re.search(r"\sstyle\s*=", tag)] == []
    assert [tag for tag in found if re.search(r"\s(?:hx-)?on[a-z:-]+\s*=", tag)] == []
    assert [tag for tag in found if tag.lower().startswith("<style")] == []
    assert [tag for tag in found if re.search(r"=\s*[\"']?\s*javascript:", tag, re.IGNORECASE)] == []


@in_one_test("path", MARKUP)
def test_every_script_is_a_file_with_a_nonce(path):
    for script in re.findall(r"<script\b[^>]*>.*?</script>", MARKUP[path], re.DOTALL):
        assert re.search(r'\ssrc="', script)
        assert 'nonce="{{ request.csp_nonce }}"' in script
        assert re.search(r">\s*</script>$", script)


@in_one_test("path", MARKUP)
def test_every_htmx_element_has_its_own_nonce(path):
    acting = [tag for tag in tags(MARKUP[path]) if ACTING.search(tag)]
    assert [tag for tag in acting if "hx-nonce=" not in tag] == []


def test_every_search_keeps_an_api_key_out_of_the_address():
    by_get = {path for path, text in TEMPLATES.items() if re.search(r'<form\b[^>]*method="get"', text)}
    by_get -= {
        "templates/keys/key.html",
        "templates/keys/_choose_columns.html",
        "templates/keys/inbox.html",
        "templates/keys/requests.html",
        "templates/keys/rotations.html",
    }  # they have no text field
    assert {path for path in by_get if 'role="search"' not in TEMPLATES[path]} == set()
    assert {path for path in by_get if "keys/_search_instead.html" not in TEMPLATES[path]} == set()


@in_one_test("path", MARKUP)
def test_no_nonce_is_inherited(path):
    """Injected elements would use an inherited nonce."""
    code = "".join(tags(MARKUP[path]))
    assert "hx-nonce:inherited" not in code


def test_the_scan_finds_bad_markup():
    """Check the scan with known bad markup."""
    bad = """<a {% if x > 1 %}class="y"{% endif %} href="/" hx-get="/" >go</a> <p style="color:red"> <b onclick="x()">"""
    found = tags(bad)
    assert len(found) == 3
    assert ACTING.search(found[0])
    assert "hx-nonce=" not in found[0]
    assert re.search(r"\sstyle\s*=", found[1])
    assert re.search(r"\s(?:hx-)?on[a-z:-]+\s*=", found[2])


def test_nothing_is_printed_unescaped_without_a_reason():
    ways = [r"\|\s*safe\b", r"\|\s*safeseq\b", r"autoescape\s+off", r"{%\s*filter\s+safe"]
    found = {
        (path, match.group().replace(" ", ""))
        for path, text in TEMPLATES.items()
        for way in ways
        for match in re.finditer(way, text)
        if path.endswith(".html")
    }
    assert found == UNESCAPED_FOR_A_REASON.keys()


def test_no_code_marks_text_as_safe():
    """``format_html`` escapes its arguments, and its format string must be a literal."""
    for path, text in texts("keys/*.py", "portal/*.py", "sandbox/*.py").items():
        tree = ast.parse(text)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        assert not names & {"mark_safe", "SafeText"}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "SafeString", path
                assert node.func.id != "format_html" or isinstance(node.args[0], ast.Constant), path


@in_one_test("path", [path for path in TEMPLATES if path.endswith(".html")])
def test_every_form_that_posts_has_its_token(path):
    for form in re.findall(r"<form\b.*?</form>", TEMPLATES[path], re.DOTALL):
        if re.search(r'method="post"', form):
            assert "{% csrf_token %}" in form
