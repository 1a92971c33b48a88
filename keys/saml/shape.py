"""Refuse every shape of a response but the usual one, before anything in it is believed.

Attacks by signature wrapping need a second assertion, or a signature that is not at its usual place or that
refers to something else. None of them has this shape.
"""

from __future__ import annotations

from typing import Any

from keys.rules.errors import ProviderRefused
from keys.saml.xml import find, tag

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
SIGNATURES = frozenset({f"{_MORE}{kind}-sha{bits}" for kind in ("rsa", "ecdsa") for bits in (256, 384, 512)})
DIGESTS = frozenset(
    {f"http://www.w3.org/2001/04/xmlenc#sha{bits}" for bits in (256, 512)} | {f"{_MORE}sha384"}
)
ENCRYPTIONS = frozenset(
    {f"http://www.w3.org/2009/xmlenc11#aes{bits}-gcm" for bits in (128, 192, 256)}
    | {f"http://www.w3.org/2001/04/xmlenc#aes{bits}-cbc" for bits in (128, 192, 256)}
)
KEY_TRANSPORTS = frozenset(
    {"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2009/xmlenc11#rsa-oaep"}
)
"""Not RSA 1.5, whose padding can be guessed from differing answers."""


def check_shape(root: Any, *, decrypted: bool = False) -> None:
    """Raise ``ProviderRefused`` unless ``root`` is a response with one assertion and proper signatures.

    ``decrypted``: its encrypted assertion has been replaced by the assertion.
    """
    if root.tag != tag("samlp", "Response"):
        raise ProviderRefused("The sign-in provider's answer is not a response.")
    _check_assertions(root)
    _check_ids(root)
    signatures = find(root, "//ds:Signature")
    is_encrypted = bool(find(root, "saml:EncryptedAssertion"))
    if not signatures and not is_encrypted:
        raise ProviderRefused("The sign-in provider's answer is not signed.")
    for signature in signatures:
        _check_signature(signature, root)
    if is_encrypted and not decrypted:
        _check_encryption(root)


def _check_assertions(root: Any) -> None:
    everywhere = find(root, "//saml:Assertion | //saml:EncryptedAssertion")
    if len(everywhere) != 1 or everywhere[0].getparent() is not root:
        raise ProviderRefused("The sign-in provider's answer has not exactly one assertion.")
    if len(find(root, "//samlp:Response")) != 1:
        raise ProviderRefused("The sign-in provider's answer contains another one.")
    if len(find(root, "//saml:Subject")) > 1 or find(root, "//saml:Subject[count(saml:NameID) > 1]"):
        raise ProviderRefused("The sign-in provider's answer names more than one person.")


def _check_ids(root: Any) -> None:
    """Refuse two elements with the same id, also if one spells the attribute's name otherwise."""
    ids = [str(value) for value in find(root, "//@*[translate(local-name(), 'ID', 'id') = 'id']")]
    if len(ids) != len(set(ids)):
        raise ProviderRefused("The sign-in provider's answer has two elements with the same id.")


def _check_signature(signature: Any, root: Any) -> None:
    parent = signature.getparent()
    is_at_home = parent is root or (parent.tag == tag("saml", "Assertion") and parent.getparent() is root)
    if not is_at_home or len(find(parent, "ds:Signature")) != 1 or find(signature, "ds:Object"):
        raise ProviderRefused("The sign-in provider's answer has a signature in an unusual place.")
    references = find(signature, ".//ds:Reference")
    whole = bool(parent.get("ID")) and [one.get("URI") for one in references] == [f"#{parent.get('ID')}"]
    if not whole or find(signature, "ds:SignedInfo/ds:Reference") != references:
        raise ProviderRefused(
            "A signature of the sign-in provider's answer does not cover what it is part of."
        )
    transforms = [str(a) for a in find(signature, ".//ds:Transform/@Algorithm")]
    if not set(transforms) <= {ENVELOPED, EXCLUSIVE} or ENVELOPED not in transforms:
        raise ProviderRefused("The sign-in provider's answer has an unusual signature.")
    _check_algorithms(signature, ".//ds:CanonicalizationMethod", frozenset({EXCLUSIVE}))
    _check_algorithms(signature, ".//ds:SignatureMethod", SIGNATURES)
    _check_algorithms(signature, ".//ds:DigestMethod", DIGESTS)


def _check_encryption(root: Any) -> None:
    _check_algorithms(root, ".//xenc:EncryptedData/xenc:EncryptionMethod", ENCRYPTIONS)
    _check_algorithms(root, ".//xenc:EncryptedKey/xenc:EncryptionMethod", KEY_TRANSPORTS)


def _check_algorithms(element: Any, path: str, allowed: frozenset[str]) -> None:
    methods = find(element, path)
    if not methods or any(method.get("Algorithm") not in allowed for method in methods):
        raise ProviderRefused(
            "The sign-in provider's answer uses an algorithm that is not allowed, such as SHA-1 or RSA 1.5."
        )
