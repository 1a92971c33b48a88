"""Be a SAML provider in a test: metadata, and responses that are signed properly or forged."""

from __future__ import annotations

import base64
import re
import uuid
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils
from xmlsec import constants

ENTITY_ID = "https://idp.example.com/saml"
ACS = "http://testserver/accounts/saml/acs/"
OWN_ENTITY_ID = "http://testserver/accounts/saml/metadata/"
SHA1 = ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1")
SHA256 = ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256")
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


@dataclass(frozen=True)
class KeyPair:
    key: str
    certificate: str

    @property
    def bare(self) -> str:
        return "".join(self.certificate.splitlines()[1:-1])


@cache
def key_pair(name: str = "provider", days: int = 400) -> KeyPair:
    """Return a new key. Its certificate is valid for ``days`` from now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(private.decode(), certificate.public_bytes(pem).decode())


def metadata(
    *pairs: KeyPair, sign_in_url: str = "https://idp.example.com/sso", wants_signed_requests: bool = False
) -> str:
    keys = "".join(
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{pair.bare}'
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for pair in pairs or (key_pair(),)
    )
    return f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{ENTITY_ID}">
  <md:IDPSSODescriptor WantAuthnRequestsSigned="{str(wants_signed_requests).lower()}" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{sign_in_url}"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>"""


@dataclass(frozen=True)
class Asked:
    """The request that the portal sent a browser to the provider with."""

    id: str
    relay_state: str
    xml: str
    url: str

    def is_signed_with(self, pair: KeyPair) -> bool:
        """Return whether ``pair`` signed the address (SAML bindings, section 3.4.4.1)."""
        parts = dict(part.split("=", 1) for part in urlsplit(self.url).query.split("&"))
        signed = "&".join(f"{name}={parts[name]}" for name in ("SAMLRequest", "RelayState", "SigAlg"))
        signature = base64.b64decode(unquote(parts["Signature"]))
        return Utils.validate_binary_sign(signed.encode(), signature, pair.certificate, SHA256[0])


def asked(url: str) -> Asked:
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    xml = zlib.decompress(base64.b64decode(query["SAMLRequest"]), -15).decode()
    return Asked(re.search(r'ID="([^"]+)"', xml)[1], query["RelayState"], xml, url)


def _time(seconds: float) -> str:
    return (datetime.now(tz=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Answer:
    """One response. ``request``: the id of the request that it answers. The times are seconds from now."""

    request: str
    subject: str = "a7f3"
    email: str = "admin@contenzilla.example"
    subject_format: str = PERSISTENT
    issuer: str = ENTITY_ID
    audience: str = OWN_ENTITY_ID
    recipient: str = ACS
    destination: str = ACS
    confirmed_request: str | None = None
    begins: float = -5
    ends: float = 300
    confirmed_until: float = 300
    signed_in: float = 0
    context: str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    status: str = "urn:oasis:names:tc:SAML:2.0:status:Success"
    signer: KeyPair = field(default_factory=key_pair)
    algorithms: tuple[str, str] = SHA256
    signs: str = "assertion"
    id: str = field(default_factory=lambda: f"_{uuid.uuid4().hex}")

    def assertion(self) -> str:
        confirmed = self.request if self.confirmed_request is None else self.confirmed_request
        answers = f'InResponseTo="{confirmed}"' if confirmed else ""
        recipient = f'Recipient="{self.recipient}"' if self.recipient else ""
        audience = (
            f"<saml:AudienceRestriction><saml:Audience>{self.audience}</saml:Audience></saml:AudienceRestriction>"
            if self.audience
            else ""
        )
        return f"""<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{self.id}" Version="2.0" IssueInstant="{_time(0)}">\
<saml:Issuer>{self.issuer}</saml:Issuer>\
<saml:Subject><saml:NameID Format="{self.subject_format}">{self.subject}</saml:NameID>\
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">\
<saml:SubjectConfirmationData {answers} {recipient} NotOnOrAfter="{_time(self.confirmed_until)}"/></saml:SubjectConfirmation></saml:Subject>\
<saml:Conditions NotBefore="{_time(self.begins)}" NotOnOrAfter="{_time(self.ends)}">{audience}</saml:Conditions>\
<saml:AuthnStatement AuthnInstant="{_time(self.signed_in)}"><saml:AuthnContext>\
<saml:AuthnContextClassRef>{self.context}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>\
<saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>{self.email}</saml:AttributeValue>\
</saml:Attribute></saml:AttributeStatement></saml:Assertion>"""

    def signed_assertion(self) -> str:
        return self._signed(self.assertion()) if self.signs == "assertion" else self.assertion()

    def response(self, *inside: str) -> str:
        """Return the response around the parts ``inside``, which is the assertion unless given."""
        destination = f'Destination="{self.destination}"' if self.destination else ""
        answers = f'InResponseTo="{self.request}"' if self.request else ""
        whole = f"""<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_{uuid.uuid4().hex}" Version="2.0" IssueInstant="{_time(0)}" {destination} {answers}>\
<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{self.issuer}</saml:Issuer>\
<samlp:Status><samlp:StatusCode Value="{self.status}"/></samlp:Status>{"".join(inside or [self.signed_assertion()])}</samlp:Response>"""
        return self._signed(whole) if self.signs == "response" else whole

    def but(self, **other: Any) -> Answer:
        return replace(self, **other)

    def _signed(self, xml: str) -> str:
        made = Utils.add_sign(xml, self.signer.key, self.signer.certificate, False, *self.algorithms)
        return made.decode() if isinstance(made, bytes) else made


def encrypted(xml: str, certificate: str, *, weakly: bool = False) -> str:
    """Return ``xml`` as an encrypted assertion that only the key of ``certificate`` opens."""
    assertion = etree.fromstring(xml)
    data = xmlsec.template.encrypted_data_create(
        assertion, constants.TransformAes256Gcm, type=constants.TypeEncElement, ns="xenc"
    )
    transport = constants.TransformRsaPkcs1 if weakly else constants.TransformRsaOaep
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    xmlsec.template.encrypted_data_ensure_cipher_value(xmlsec.template.add_encrypted_key(info, transport))
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(certificate, constants.KeyDataFormatCertPem, None))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(constants.KeyDataAes, 256, constants.KeyDataTypeSession)
    made = etree.tostring(context.encrypt_xml(data, assertion)).decode()
    return f'<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{made}</saml:EncryptedAssertion>'


def encoded(xml: str) -> str:
    return base64.b64encode(xml.encode()).decode()
