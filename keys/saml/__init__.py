"""Speak SAML 2.0 with the organisation's sign-in provider: its metadata, our requests, its responses."""

from __future__ import annotations

from keys.saml.metadata import saml_provider
from keys.saml.request import own_metadata, request_url
from keys.saml.response import read_response

__all__ = ["own_metadata", "read_response", "request_url", "saml_provider"]
