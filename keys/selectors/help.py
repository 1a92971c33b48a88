"""Render the manual in docs/ as the portal's help pages, without raw HTML from the files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from keys.rules.errors import NotFound

PAGES = {
    "For everyone": (
        *("inventory", "rotation", "sign-in", "notifications", "glossary"),
        *("assisted", "audit"),
    ),
    "For the person who runs the portal": (
        *("operations", "configuration", "security", "generate-a-key", "cerby", "gateway", "sandbox"),
        "performance",
    ),
}
"""The files of docs/ that are shown, without their suffix. The others are for developers."""
_SHOWN = {name for names in PAGES.values() for name in names}


@dataclass(frozen=True)
class HelpPage:
    """``body`` is HTML, in which the text of the file is escaped.

    ``sections`` has the anchor and the text of each heading of the second level.
    """

    name: str
    title: str
    summary: str
    body: str
    sections: list[tuple[str, str]]


def help_page(name: str) -> HelpPage:
    """Return the page for docs/``name``.md. Raise ``NotFound`` unless it is one of ``PAGES``."""
    if name not in _SHOWN:
        raise NotFound("There is no such help page.")
    return _page(name)


def help_index() -> list[tuple[str, list[HelpPage]]]:
    return [(group, [_page(name) for name in names]) for group, names in PAGES.items()]


def image_path(name: str) -> Path:
    """Return the path of an image of the manual. Raise ``NotFound`` if there is none with this name."""
    images = {path.name: path for path in (_docs() / "images").glob("*.png")}
    if name not in images:
        raise NotFound("There is no such image.")
    return images[name]


def _docs() -> Path:
    return Path(settings.BASE_DIR) / "docs"


@cache
def _page(name: str) -> HelpPage:
    """Render a page once per process: the files belong to the version that runs."""
    tokens = _MARKDOWN.parse((_docs() / f"{name}.md").read_text(encoding="utf-8"))
    _anchor_headings(tokens)
    _direct_links(tokens)
    headings = [
        (token.tag, str(token.attrs["id"]), _plain(tokens[place + 1]))
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    after_title = tokens[3:] if headings and headings[0][0] == "h1" else tokens
    return HelpPage(
        name=name,
        title=headings[0][2],
        summary=_summary(after_title),
        body=_MARKDOWN.renderer.render(after_title, _MARKDOWN.options, {}),
        sections=[(anchor, text) for tag, anchor, text in headings if tag == "h2"],
    )


def _summary(tokens: Sequence[Token]) -> str:
    """Return the first sentence of the page in plain text."""
    first = next((token for token in tokens if token.type == "inline"), None)
    text = _plain(first) if first else ""
    return re.split(r"(?<=[.?]) ", text, maxsplit=1)[0]


def _plain(inline: Token) -> str:
    words = [
        child.content if child.type in {"text", "code_inline"} else " " for child in inline.children or []
    ]
    return " ".join("".join(words).split())


def _anchor_headings(tokens: Sequence[Token]) -> None:
    """Give each heading the id that GitHub gives it, so that links between the files work here too."""
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in tokens[place + 1].children or [])
            token.attrSet("id", re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))


def _direct_links(tokens: Sequence[Token]) -> None:
    """Let links and images lead to help pages. A link to a file that is not shown becomes plain text."""
    for inline in tokens:
        children = inline.children or []
        target = None
        for place, child in enumerate(children):
            if child.type == "link_open":
                _use_title(children[place + 1])
                target = _target(str(child.attrs["href"]))
                child.attrs = {"href": target, **_outside(target)} if target else {}
            if child.type in {"link_open", "link_close"} and target is None:
                child.type, child.tag, child.nesting, child.content = "text", "", 0, ""
            if child.type == "image":
                name = PurePosixPath(str(child.attrs["src"])).name
                child.attrSet("src", reverse("keys:help-image", args=[name]))


def _use_title(text: Token) -> None:
    """Replace the text of a link that only names a file by the title of its page."""
    name = text.content.removesuffix(".md")
    if name != text.content and name in _SHOWN:
        first_line = (_docs() / f"{name}.md").read_text(encoding="utf-8").partition("\n")[0]
        text.content = f"“{first_line.removeprefix('# ')}”"


def _target(href: str) -> str | None:
    """Return the address here for a link in a file of docs/, or None if its target is not shown."""
    parts = urlsplit(href)
    if parts.scheme in {"https", "http"}:
        return href
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    if not parts.path:
        return fragment or None
    path = PurePosixPath(parts.path)
    if path.suffix != ".md" or path.stem not in _SHOWN or len(path.parts) != 1:
        return None
    return f"{reverse('keys:help-page', args=[path.stem])}{fragment}"


def _outside(target: str) -> dict[str, str]:
    return {"rel": "noopener noreferrer", "target": "_blank"} if target.startswith("http") else {}


def _table_open(_self: RendererHTML, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="table cards-never">'
    )


def _table_close(_self: RendererHTML, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return "</table></div>"


def _code(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return str(format_html('<pre class="scroll" tabindex="0"><code>{}</code></pre>', tokens[index].content))


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    for name, rule in (("table_open", _table_open), ("table_close", _table_close), ("fence", _code)):
        made.add_render_rule(name, rule)
    made.add_render_rule("code_block", _code)
    return made


_MARKDOWN = _markdown()
