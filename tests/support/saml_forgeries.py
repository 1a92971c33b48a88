"""Forge SAML responses. Each function takes a proper answer and returns the XML of a forged one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from tests.support.saml_provider import SHA1, TRANSIENT, Answer, key_pair

NS = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
ATTACKER = "attacker"
Forgery = Callable[[Answer], str]


def _parts(answer: Answer, signs: str) -> tuple[etree._Element, etree._Element, etree._Element]:
    """Return a response about the attacker, its signature, and the same with the victim's name and no signature."""
    genuine = etree.fromstring(answer.but(subject=ATTACKER, signs=signs).response())
    evil = etree.fromstring(answer.but(signs="nothing", id="_evil").response())
    return genuine, genuine.find(".//ds:Signature", NS), evil


def _text(root: etree._Element) -> str:
    return etree.tostring(root).decode()


def _assertion(root: etree._Element) -> etree._Element:
    return root.find("saml:Assertion", NS)


def _inside_object(signature: etree._Element, element: etree._Element) -> None:
    etree.SubElement(signature, f"{{{NS['ds']}}}Object").append(element)


def wrapped_1(answer: Answer) -> str:
    """Put the signed response into the signature of a forged one."""
    genuine, signature, evil = _parts(answer, "response")
    genuine.remove(signature)
    evil.insert(1, signature)
    _inside_object(signature, genuine)
    return _text(evil)


def wrapped_2(answer: Answer) -> str:
    """Put the signed response beside its signature, in a forged one."""
    genuine, signature, evil = _parts(answer, "response")
    genuine.remove(signature)
    evil.insert(1, signature)
    evil.insert(1, genuine)
    return _text(evil)


def wrapped_3(answer: Answer) -> str:
    """Put a forged assertion before the signed one."""
    genuine, _, evil = _parts(answer, "assertion")
    _assertion(genuine).addprevious(_assertion(evil))
    return _text(genuine)


def wrapped_4(answer: Answer) -> str:
    """Put the signed assertion into a forged one."""
    genuine, _, evil = _parts(answer, "assertion")
    _assertion(evil).append(_assertion(genuine))
    return _text(evil)


def wrapped_5(answer: Answer) -> str:
    """Give the signature to a forged assertion, and put the signed one after it."""
    genuine, signature, evil = _parts(answer, "assertion")
    original = _assertion(genuine)
    original.remove(signature)
    _assertion(evil).insert(1, signature)
    evil.append(original)
    return _text(evil)


def wrapped_6(answer: Answer) -> str:
    """Give the signature to a forged assertion, and put the signed one into the signature."""
    genuine, signature, evil = _parts(answer, "assertion")
    original = _assertion(genuine)
    original.remove(signature)
    _assertion(evil).insert(1, signature)
    signature.append(original)
    return _text(evil)


def wrapped_7(answer: Answer) -> str:
    """Put a forged assertion into an extension, before the signed one."""
    genuine, _, evil = _parts(answer, "assertion")
    extensions = etree.Element(f"{{{NS['samlp']}}}Extensions")
    extensions.append(_assertion(evil))
    genuine.insert(1, extensions)
    return _text(genuine)


def wrapped_8(answer: Answer) -> str:
    """Give the signature to a forged assertion, with the signed one in an object of the signature."""
    genuine, signature, evil = _parts(answer, "assertion")
    original = _assertion(genuine)
    original.remove(signature)
    _assertion(evil).insert(1, signature)
    _inside_object(signature, original)
    return _text(evil)


def changed(answer: Answer) -> str:
    """Replace the name after it was signed."""
    return answer.but(subject=ATTACKER).response().replace(f">{ATTACKER}<", f">{answer.subject}<")


def empty_signature(answer: Answer) -> str:
    """Take the values out of the signature."""
    genuine, signature, _ = _parts(answer, "assertion")
    for value in signature.iterfind(".//ds:SignatureValue", NS):
        value.text = ""
    return _text(genuine)


def with_comment(answer: Answer) -> str:
    """Split the name by a comment, which the signature does not cover."""
    long = f"{answer.subject}.evil.example"
    return (
        answer.but(subject=long).response().replace(f">{long}<", f">{answer.subject}<!-- -->.evil.example<")
    )


def with_comment_in_attribute(answer: Answer) -> str:
    """Split the email by a comment, which the signature does not cover."""
    long = f"{answer.email}.evil.example"
    xml = answer.but(subject="new", email=long).response()
    return xml.replace(f">{long}<", f">{answer.email}<!-- -->.evil.example<")


def two_names(answer: Answer) -> str:
    """Name two people, of whom the second is the victim. The provider has signed it."""
    return answer.but(subject=f"{ATTACKER}</saml:NameID>{_name_id(answer)}{answer.subject}").response()


def _name_id(answer: Answer) -> str:
    return f'<saml:NameID Format="{answer.subject_format}">'


def with_entity(answer: Answer) -> str:
    declared = '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    return declared + answer.response().replace("</saml:Issuer>", "&e;</saml:Issuer>", 1)


def with_many_entities(answer: Answer) -> str:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "0" * 10}">' for n in range(9))
    return f"<!DOCTYPE r [{entities}]>" + answer.response().replace("</saml:Issuer>", "&e8;</saml:Issuer>", 1)


def two_assertions(answer: Answer) -> str:
    return answer.response(answer.signed_assertion(), answer.but(id="_second").signed_assertion())


def two_assertions_one_signature(answer: Answer) -> str:
    whole = answer.but(signs="response")
    return whole.response(whole.assertion(), whole.but(id="_second").assertion())


def same_id(answer: Answer) -> str:
    """Give the id of the signed assertion to the response too."""
    xml = answer.but(id="_same").response()
    return xml.replace('ID="_', 'ID="_same" Consent="_', 1) if 'ID="_same"' in xml else xml


def with_(**other: Any) -> Forgery:
    return lambda answer: answer.but(**other).response()


FORGERIES: dict[str, tuple[Forgery, str]] = {
    "nothing signed": (with_(signs="nothing"), "is not signed"),
    "empty signature": (empty_signature, "signature is wrong"),
    "changed afterwards": (changed, "signature is wrong"),
    "wrapped 1": (wrapped_1, "one assertion"),
    "wrapped 2": (wrapped_2, "one assertion"),
    "wrapped 3": (wrapped_3, "one assertion"),
    "wrapped 4": (wrapped_4, "one assertion"),
    "wrapped 5": (wrapped_5, "one assertion"),
    "wrapped 6": (wrapped_6, "one assertion"),
    "wrapped 7": (wrapped_7, "one assertion"),
    "wrapped 8": (wrapped_8, "one assertion"),
    "other certificate": (with_(signer=key_pair("attacker")), "signature is wrong"),
    "SHA-1": (with_(algorithms=SHA1), "not allowed"),
    "expired": (with_(ends=-61, begins=-300), "expired"),
    "confirmation expired": (with_(confirmed_until=-61), "subject confirmation"),
    "not yet valid": (with_(begins=90), "not valid yet"),
    "other audience": (with_(audience="https://other.example.com"), "another program"),
    "no audience": (with_(audience=""), "another program"),
    "other recipient": (with_(recipient="https://other.example.com/acs/"), "subject confirmation"),
    "longer recipient": (with_(recipient="http://testserver/accounts/saml/acs/x"), "subject confirmation"),
    "no recipient": (with_(recipient=""), "subject confirmation"),
    "other destination": (with_(destination="https://other.example.com/acs/"), "another address"),
    "longer destination": (with_(destination="http://testserver/accounts/saml/acs/x"), "another address"),
    "other request": (with_(request="_other"), "another sign-in"),
    "no request": (with_(request="", confirmed_request=""), "another sign-in"),
    "assertion of another request": (with_(confirmed_request="_other"), "subject confirmation"),
    "assertion of no request": (with_(confirmed_request=""), "subject confirmation"),
    "other issuer": (with_(issuer="https://other.example.com/saml"), "another provider"),
    "comment": (with_comment, "comment"),
    "comment in an attribute": (with_comment_in_attribute, "comment"),
    "two names": (two_names, "more than one person"),
    "long email": (
        with_(subject="new", email=f"{'x' * 10_000}@contenzilla.example"),
        "longer than 254 characters",
    ),
    "long email of a known person": (
        with_(email=f"{'x' * 10_000}@contenzilla.example"),
        "longer than 254 characters",
    ),
    "external entity": (with_entity, "document type"),
    "many entities": (with_many_entities, "document type"),
    "two assertions": (two_assertions, "one assertion"),
    "two assertions, one signature": (two_assertions_one_signature, "one assertion"),
    "same id twice": (same_id, "same id"),
    "name that changes": (with_(subject_format=TRANSIENT), "not of the format"),
    "refusal": (with_(status="urn:oasis:names:tc:SAML:2.0:status:Responder"), "refused"),
    "no XML": (lambda _: "no XML", "cannot be read"),
    "too long": (lambda answer: answer.response() + " " * 300_000, "longer than"),
}
"""Each with a part of the reason with which it is refused."""
