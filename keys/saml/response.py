"""Check the provider's response to one of our requests, and return what it says about the person.

python3-saml checks the signatures, the schema and the status. It accepts a response that leaves out its
destination, recipient, audience or request, or that names a longer address than ours, and allows five minutes
of skew. So this module first refuses every shape but one, and checks those values again afterwards.
"""

from __future__ import annotations

import base64
import binascii
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from keys.rules.errors import ProviderRefused
from keys.rules.sso import LONG_EMAIL, LONGEST_EMAIL, LONGEST_SUBJECT, Claims
from keys.saml.library import Response, Settings
from keys.saml.metadata import Provider, moment, saml_provider
from keys.saml.request import (
    configuration,
    consumer_url,
    name_id_format,
    own_entity_id,
    request_data,
    request_id,
)
from keys.saml.shape import check_shape
from keys.saml.xml import (
    INVISIBLE,
    Unreadable,
    bare,
    find,
    is_invisible_inside,
    parse,
    refuse_invisible,
    whole_texts,
)

LARGEST = 256 * 1024
"""Bytes of a response. Usual ones have 5 to 20 thousand."""
SKEW = timedelta(seconds=60)
"""By how much the clocks may differ for the period of an assertion. Many begin it at this very second."""
LONGEST_CONTEXT = 255
"""Characters of the kind of sign-in, which is a URI. The usual ones have up to 70."""
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
EMAIL_ATTRIBUTES = (
    "email",
    "mail",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
)
"""Usual names of the attribute with the email, if PORTAL_SAML_EMAIL_ATTRIBUTE is not set."""


def read_response(encoded: str, state: str) -> Claims:
    """Return who signed in for the request ``state``. ``encoded``: the form's field ``SAMLResponse``.

    Raises ``ProviderRefused``, with the reason as a sentence, and ``ProviderDown``.
    """
    document, expected = _decoded(encoded), request_id(state)
    known = saml_provider()
    try:
        return _read(document, known, expected)
    except ProviderRefused:
        newer = saml_provider(at_least=time.monotonic())
        if newer == known:
            raise
        return _read(document, newer, expected)  # the provider has a new certificate


def _decoded(encoded: str) -> bytes:
    try:
        document = bare(base64.b64decode("".join(encoded.split()), validate=True), largest=LARGEST)
        refuse_invisible(document)
    except (binascii.Error, ValueError) as error:
        raise ProviderRefused("The sign-in provider's answer cannot be read.") from error
    except Unreadable as error:
        raise ProviderRefused(f"The sign-in provider's answer cannot be read. {error.sentence}") from error
    return document


def _read(document: bytes, known: Provider, asked: str) -> Claims:
    _check_outside(document)
    try:
        response = Response(Settings(configuration(known)), base64.b64encode(document).decode())
        response.is_valid(request_data(), asked, raise_exceptions=True)
    except Exception as error:  # python3-saml and lxml raise many kinds
        raise _invalid(_code(error)) from error
    root = response.decrypted_document if response.encrypted else response.document
    if response.encrypted:
        if is_invisible_inside(root):
            raise ProviderRefused(f"The sign-in provider's answer cannot be read. {INVISIBLE}")
        check_shape(root, decrypted=True)
    (assertion,) = find(root, "/samlp:Response/saml:Assertion")
    _check_addressee(root, assertion, asked)
    _check_times(assertion)
    return _claims(assertion)


def _check_outside(document: bytes) -> None:
    try:
        root = parse(document)
    except Unreadable as error:
        raise ProviderRefused(f"The sign-in provider's answer cannot be read. {error.sentence}") from error
    _check_status(root)
    check_shape(root)


def _check_status(document: Any) -> None:
    codes = [str(code) for code in find(document, "/samlp:Response/samlp:Status//samlp:StatusCode/@Value")]
    if codes[:1] != ["urn:oasis:names:tc:SAML:2.0:status:Success"]:
        last = codes[-1].rpartition(":")[2] if codes else ""
        raise ProviderRefused(
            f"The sign-in provider refused: {_STATUS.get(last, 'it gave no reason that the portal knows')}."
        )


_STATUS = {
    "AuthnFailed": "it could not sign you in",
    "RequestDenied": "it does not allow you to use the portal",
    "NoPassive": "it did not ask you to sign in",
    "InvalidNameIDPolicy": "it does not offer the format of the name ID that PORTAL_SAML_NAME_ID_FORMAT says",
    "NoAuthnContext": "it cannot ask for the strength of sign-in that the portal needs",
    "RequestUnsupported": "it does not support the portal's request",
}


_WORDS = {
    "INVALID_SIGNATURE": "its signature is wrong",
    "WRONG_ISSUER": "it comes from another provider",
    "WRONG_INRESPONSETO": "it belongs to another sign-in",
    "WRONG_AUDIENCE": "it is meant for another program",
    "WRONG_DESTINATION": "it is meant for another address",
    "WRONG_SUBJECTCONFIRMATION": "it has no valid subject confirmation for this sign-in and this portal",
    "ASSERTION_EXPIRED": "it has expired; check both clocks",
    "ASSERTION_TOO_EARLY": "it is not valid yet; check both clocks",
    "SESSION_EXPIRED": "the session at the provider has expired",
    "MISSING_CONDITIONS": "it has no conditions",
    "NO_SIGNATURE_FOUND": "it is not signed",
}


def _code(error: Exception) -> str:
    """Return the name of one of python3-saml's codes. Its sentences may contain personal data."""
    names = {value: name for name, value in vars(type(error)).items() if name.isupper()}
    return names.get(getattr(error, "code", None), "")


def _invalid(code: str) -> ProviderRefused:
    return ProviderRefused(
        f"The sign-in provider's answer is not valid: {_WORDS.get(code, 'it cannot be read')}."
    )


def _check_addressee(root: Any, assertion: Any, asked: str) -> None:
    """Refuse a response that does not say for whom, from whom and to which request it is."""
    issuers = whole_texts(root, "saml:Issuer") + whole_texts(assertion, "saml:Issuer")
    if (
        not issuers
        or set(issuers) != {settings.PORTAL_SAML_ISSUER}
        or len(whole_texts(assertion, "saml:Issuer")) != 1
    ):
        raise _invalid("WRONG_ISSUER")
    if root.get("InResponseTo") != asked:
        raise _invalid("WRONG_INRESPONSETO")
    if root.get("Destination", consumer_url()) != consumer_url():
        raise _invalid("WRONG_DESTINATION")
    restrictions = find(assertion, "saml:Conditions/saml:AudienceRestriction")
    if not restrictions or any(
        own_entity_id() not in whole_texts(one, "saml:Audience") for one in restrictions
    ):
        raise _invalid("WRONG_AUDIENCE")
    if not any(_confirms(data, asked) for data in _confirmations(assertion)):
        raise _invalid("WRONG_SUBJECTCONFIRMATION")


def _confirmations(assertion: Any) -> list[Any]:
    return find(
        assertion, f"saml:Subject/saml:SubjectConfirmation[@Method='{BEARER}']/saml:SubjectConfirmationData"
    )


def _confirms(data: Any, asked: str) -> bool:
    """Return whether this part of the signed assertion names our request and address, and is not too old."""
    return (
        data.get("InResponseTo") == asked
        and data.get("Recipient") == consumer_url()
        and _ends(data) > datetime.now(tz=UTC) - SKEW
    )


def _check_times(assertion: Any) -> None:
    now = datetime.now(tz=UTC)
    (conditions,) = find(assertion, "saml:Conditions")
    begins = conditions.get("NotBefore")
    if begins and _moment(begins) > now + SKEW:
        raise _invalid("ASSERTION_TOO_EARLY")
    if _ends(conditions) <= now - SKEW:
        raise _invalid("ASSERTION_EXPIRED")


def _ends(element: Any) -> datetime:
    text = element.get("NotOnOrAfter")
    return _moment(text) if text else datetime.min.replace(tzinfo=UTC)


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise ProviderRefused("The sign-in provider's answer has a time that cannot be read.") from error


def _claims(assertion: Any) -> Claims:
    subject = _subject(assertion)
    (statement,) = find(assertion, "saml:AuthnStatement")
    contexts = whole_texts(statement, "saml:AuthnContext/saml:AuthnContextClassRef")
    return Claims(
        issuer=settings.PORTAL_SAML_ISSUER,
        subject=subject,
        email=_email(assertion, subject),
        email_verified=settings.PORTAL_SAML_EMAILS_VERIFIED,
        auth_time=int(_moment(statement.get("AuthnInstant", "")).timestamp()),
        acr=contexts[0] if len(contexts) == 1 and len(contexts[0]) <= LONGEST_CONTEXT else "",
    )


def _subject(assertion: Any) -> str:
    names = find(assertion, "saml:Subject/saml:NameID")
    if len(names) != 1:
        raise ProviderRefused("The sign-in provider's answer does not say who signed in.")
    (name,) = names
    if name.get("Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified") != name_id_format():
        raise ProviderRefused(
            "The sign-in provider's name ID is not of the format “"
            f"{settings.PORTAL_SAML_NAME_ID_FORMAT}”: see PORTAL_SAML_NAME_ID_FORMAT."
        )
    if name.get("NameQualifier", settings.PORTAL_SAML_ISSUER) != settings.PORTAL_SAML_ISSUER:
        raise ProviderRefused("The sign-in provider's name ID belongs to another provider.")
    if name.get("SPNameQualifier", own_entity_id()) != own_entity_id():
        raise ProviderRefused("The sign-in provider's name ID belongs to another program.")
    subject = "".join(name.itertext()).strip()
    if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable() or len(name):
        raise ProviderRefused("The sign-in provider's answer does not say who signed in.")
    return subject


def _email(assertion: Any, subject: str) -> str:
    """Return the email in lower case, or "" if there is none, or more than one."""
    wanted = (
        [settings.PORTAL_SAML_EMAIL_ATTRIBUTE] if settings.PORTAL_SAML_EMAIL_ATTRIBUTE else EMAIL_ATTRIBUTES
    )
    emails = {
        text.lower()
        for attribute in find(assertion, "saml:AttributeStatement/saml:Attribute")
        if attribute.get("Name") in wanted
        for text in whole_texts(attribute, "saml:AttributeValue")
    }
    if not emails and name_id_format().endswith(":emailAddress"):
        emails = {subject.lower()}
    if any(len(email) > LONGEST_EMAIL for email in emails):
        raise ProviderRefused(LONG_EMAIL)
    return emails.pop() if len(emails) == 1 else ""
