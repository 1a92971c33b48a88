"""Make authentication requests and our own metadata, and configure python3-saml for both."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from keys.saml.library import Auth, AuthnRequest, Settings
from keys.saml.metadata import Provider, saml_provider

METADATA_LASTS = timedelta(days=3650)
"""Nothing in our metadata expires by itself; many providers read it once."""
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
FORMATS = {
    "persistent": PERSISTENT,
    "emailAddress": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "unspecified": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
}
"""The formats of a NameID that PORTAL_SAML_NAME_ID_FORMAT may name."""


class _NamedRequest(AuthnRequest):  # type: ignore[misc]
    """A request with an id that we choose."""

    def __init__(self, name: str, *args: Any) -> None:
        self._name = name
        super().__init__(*args)

    def _generate_request_id(self) -> str:
        return self._name


def request_url(state: str, *, step_up: bool, other_account: bool = False) -> str:
    """Return the provider's address for the request ``state``.

    ``step_up`` asks the provider to ask the person again, which its answer must prove. ``other_account`` asks
    for the same, so that the person can choose. Raises ``ProviderDown``.
    """
    at = saml_provider()
    auth = Auth(request_data(), configuration(at, contexts=settings.PORTAL_SAML_ACR if step_up else ()))
    auth.authn_request_class = partial(_NamedRequest, request_id(state))
    return str(auth.login(return_to=state, force_authn=step_up or other_account))


def request_id(state: str) -> str:
    """Return the id of a request. Only the portal can compute it from ``state``, so no table contains it."""
    digest = salted_hmac("keys.saml.request", state, algorithm="sha256").hexdigest()
    return f"_{digest}"  # an id must not begin with a digit


def own_metadata() -> bytes:
    """Return the metadata of the portal, for the provider."""
    own = configuration(None)
    own["security"]["wantAssertionsEncrypted"] = bool(
        settings.PORTAL_SAML_CERTIFICATE
    )  # only to publish the key
    made = Settings(own, sp_validation_only=True).get_sp_metadata()
    return made if isinstance(made, bytes) else str(made).encode()


def own_entity_id() -> str:
    return settings.PORTAL_SAML_ENTITY_ID or f"{settings.PORTAL_URL}{reverse('account_saml_metadata')}"


def consumer_url() -> str:
    """Return the address to which the provider sends its answers."""
    return f"{settings.PORTAL_URL}{reverse('account_saml_acs')}"


def name_id_format() -> str:
    return FORMATS[settings.PORTAL_SAML_NAME_ID_FORMAT]


def request_data() -> dict[str, Any]:
    """Return the address of an answer for python3-saml: from the settings, not from the request's headers."""
    parts = urlsplit(consumer_url())
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": parts.path,
        "get_data": {},
        "post_data": {},
    }


def configuration(known: Provider | None, *, contexts: Collection[str] = ()) -> dict[str, Any]:
    """Return python3-saml's settings. keys.saml.response checks again what it is lenient about.

    ``contexts``: the kinds of sign-in to ask for.
    """
    signs = bool(settings.PORTAL_SAML_KEY)
    own = {
        "entityId": own_entity_id(),
        "assertionConsumerService": {"url": consumer_url(), "binding": POST},
        "NameIDFormat": name_id_format(),
        "x509cert": settings.PORTAL_SAML_CERTIFICATE,
        "privateKey": settings.PORTAL_SAML_KEY,
    }
    security = {
        "authnRequestsSigned": signs,
        "wantAssertionsSigned": False,  # the response or the assertion; python3-saml refuses if neither is
        "wantNameId": True,
        "metadataValidUntil": timezone.now() + METADATA_LASTS,
        "wantAttributeStatement": False,
        "allowRepeatAttributeName": True,
        "rejectDeprecatedAlgorithm": True,
        "signatureAlgorithm": RSA_SHA256,
        "digestAlgorithm": SHA256,
        "requestedAuthnContext": list(contexts) or False,
        "allowSingleLabelDomains": True,
    }
    their = {}
    if known is not None:
        their = {
            "entityId": settings.PORTAL_SAML_ISSUER,
            "singleSignOnService": {"url": known.sign_in_url},
            "x509certMulti": {"signing": list(known.certificates)},
        }
    return {"strict": True, "debug": False, "sp": own, "idp": their, "security": security}
