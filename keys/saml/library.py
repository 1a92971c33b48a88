"""Import python3-saml, which is installed only with requirements-saml.txt.

Without it, portal.conf refuses the settings for SAML, so nothing here is called.
"""

from __future__ import annotations

try:
    from onelogin.saml2.auth import OneLogin_Saml2_Auth as Auth
    from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request as AuthnRequest
    from onelogin.saml2.response import OneLogin_Saml2_Response as Response
    from onelogin.saml2.settings import OneLogin_Saml2_Settings as Settings
    from onelogin.saml2.xml_utils import OneLogin_Saml2_XML as Xml
except ModuleNotFoundError:
    Auth = Response = Settings = Xml = None
    AuthnRequest = object

__all__ = ["Auth", "AuthnRequest", "Response", "Settings", "Xml"]
