"""Parse XML from the provider: bounded in size, and without DTDs, entities, comments and instructions."""

from __future__ import annotations

import re
from typing import Any

from keys.rules.errors import PortalError
from keys.saml.library import Xml

NAMESPACES = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
}
_DECLARATION = re.compile(
    rb"""\A\s*<\?xml version=["']1\.0["'](?: encoding=["']utf-8["'])?[^<>?]*\?>""", re.IGNORECASE
)


INVISIBLE = "It has a comment, a CDATA section or a processing instruction."


class Unreadable(PortalError):
    title = "The sign-in provider's XML cannot be read"


def bare(document: bytes, *, largest: int) -> bytes:
    """Return ``document`` without its declaration.

    Raises ``Unreadable``, with the reason as a sentence, if it is too long, not UTF-8, or defines a type.
    """
    if len(document) > largest:
        raise Unreadable(f"It is longer than {largest:,} bytes.")
    rest = _DECLARATION.sub(b"", document.removeprefix(b"\xef\xbb\xbf"), count=1)
    if re.search(rb"<!(?!--|\[CDATA\[)", rest):
        raise Unreadable("It has a document type definition.")
    try:
        rest.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("It is not UTF-8.") from error
    return rest


def refuse_invisible(document: bytes) -> None:
    """Refuse comments, CDATA sections and instructions: a signature does not cover them as they look."""
    if b"<!" in document or b"<?" in document:
        raise Unreadable(INVISIBLE)


def is_invisible_inside(node: Any) -> bool:
    """Return the same for XML that was decrypted. CDATA sections are read as the signature covers them."""
    return bool(find(node, "//comment() | //processing-instruction()"))


def parse(document: bytes) -> Any:
    """Return the root element of ``document``, which ``bare`` returned. Raises ``Unreadable``."""
    try:
        return Xml.to_etree(document)
    except Exception as error:  # the libraries raise many kinds
        raise Unreadable("It is not XML.") from error


def find(node: Any, path: str) -> list[Any]:
    """Return the elements or attributes at an XPath with the prefixes of ``NAMESPACES``."""
    found: list[Any] = node.xpath(path, namespaces=NAMESPACES)
    return found


def whole_texts(node: Any, path: str) -> list[str]:
    """Return the whole text of each element at ``path``, without surrounding white space."""
    return ["".join(element.itertext()).strip() for element in find(node, path)]


def tag(prefix: str, name: str) -> str:
    return f"{{{NAMESPACES[prefix]}}}{name}"
