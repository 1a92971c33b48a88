"""Values of the settings for SSO and second factors: usual ones, and ones that are an error."""

from __future__ import annotations

import certifi

USUAL = {
    "PORTAL_OIDC_ISSUER": "https://login.example.com/tenant/",
    "PORTAL_OIDC_CLIENT_ID": "portal",
    "PORTAL_OIDC_SCOPES": "openid email",
    "PORTAL_OIDC_ACR": "urn:example:strong urn:example:phr",
    "PORTAL_OIDC_NAME": "Sign in with Example",
    "PORTAL_OIDC_EMAILS_VERIFIED": "true",
    "PORTAL_OIDC_ADMIT": "admins",
    "PORTAL_OIDC_CA_FILE": certifi.where(),
    "PORTAL_OIDC_PRIVATE": "true",
    "PORTAL_OIDC_FORM_ACTION": "https://adfs.example.com",
    "PORTAL_STEP_UP": "idp",
    "PORTAL_MFA_REQUIRED": "admins",
    "PORTAL_MFA_GRACE_DAYS": "3",
    "PORTAL_PASSWORD_SIGN_IN": "break-glass",
    "PORTAL_BREAK_GLASS_EMAILS": "owner@example.com",
}
WRONG = {
    "PORTAL_OIDC_ISSUER": [
        "login.example.com",
        "http://login.example.com",
        "http://127.0.0.1:9",
        "https://login.example.com/?x=1",
        "https://",
    ],
    "PORTAL_OIDC_ADMIT": ["everybody"],
    "PORTAL_OIDC_CA_FILE": ["/etc/hostname"],
    "PORTAL_STEP_UP": ["nowhere"],
    "PORTAL_MFA_REQUIRED": ["", "owners", "true"],
    "PORTAL_MFA_GRACE_DAYS": ["", "-1", "a week"],
    "PORTAL_PASSWORD_SIGN_IN": ["never"],
    "PORTAL_BREAK_GLASS_EMAILS": ["owner"],
}
SAML = {
    "PORTAL_SAML_ISSUER": "https://idp.example.com/saml",
    "PORTAL_SAML_METADATA_URL": "https://idp.example.com/metadata?app=portal",
    "PORTAL_SAML_METADATA_FILE": "/etc/key-portal/metadata.xml",
    "PORTAL_SAML_ENTITY_ID": "urn:example:portal",
    "PORTAL_SAML_NAME_ID_FORMAT": "emailAddress",
    "PORTAL_SAML_EMAIL_ATTRIBUTE": "mail",
    "PORTAL_SAML_ACR": "urn:example:strong urn:example:phr",
    "PORTAL_SAML_NAME": "Sign in with Example",
    "PORTAL_SAML_EMAILS_VERIFIED": "true",
    "PORTAL_SAML_ADMIT": "users",
    "PORTAL_SAML_KEY": "CANARY-key",
    "PORTAL_SAML_CERTIFICATE": "a certificate",
    "PORTAL_SAML_CA_FILE": certifi.where(),
    "PORTAL_SAML_PRIVATE": "true",
}
"""test_configuration_saml.py tests these: a portal has one provider."""
