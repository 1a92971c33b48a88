"""The settings of a sign-in with SAML."""

from __future__ import annotations

import runpy
import sys

import pytest

from portal import conf
from tests.house.project import ROOT
from tests.house.sso_settings import SAML
from tests.house.test_configuration import PRODUCTION, environment, sentence  # noqa: F401 - a fixture

LEAST = {name: SAML[name] for name in ("PORTAL_SAML_ISSUER", "PORTAL_SAML_METADATA_URL")}
ALL = {name: value for name, value in SAML.items() if name != "PORTAL_SAML_METADATA_FILE"}


@pytest.mark.parametrize("name", sorted(SAML))
def test_every_name_may_be_given_as_a_file(environment, tmp_path, name):  # noqa: F811
    usual = PRODUCTION | ALL
    if name == "PORTAL_SAML_METADATA_FILE":
        usual = {one: value for one, value in usual.items() if one != "PORTAL_SAML_METADATA_URL"}
        usual[name] = SAML[name]
    environment(**usual)
    directly = conf.read()
    assert "CANARY" not in repr(directly)
    file = tmp_path / "value"
    file.write_text(usual[name] + "\n")
    environment(**{name: None, f"{name}_FILE": str(file)})
    assert conf.read() == directly


BAD = [
    ({"PORTAL_SAML_ISSUER": None}, "PORTAL_SAML_ISSUER and either"),
    ({"PORTAL_SAML_METADATA_URL": None}, "PORTAL_SAML_METADATA_URL or PORTAL_SAML_METADATA_FILE"),
    ({"PORTAL_SAML_METADATA_FILE": "/etc/metadata.xml"}, "either PORTAL_SAML_METADATA_URL or"),
    ({"PORTAL_SAML_METADATA_URL": "http://idp.example.com/metadata"}, "PORTAL_SAML_METADATA_URL"),
    ({"PORTAL_OIDC_ISSUER": "https://login.example.com"}, "a portal has one sign-in provider"),
    ({"PORTAL_SAML_KEY": None}, "both PORTAL_SAML_KEY and"),
    ({"PORTAL_SAML_CERTIFICATE": None}, "both PORTAL_SAML_KEY and"),
    ({"PORTAL_SAML_NAME_ID_FORMAT": "transient"}, "PORTAL_SAML_NAME_ID_FORMAT"),
    ({"PORTAL_SAML_ADMIT": "everybody"}, "PORTAL_SAML_ADMIT"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_half_a_configuration_is_one_sentence(environment, change, said):  # noqa: F811
    environment(**PRODUCTION | ALL)
    environment(**change)
    assert said in sentence()


def test_without_the_packages_the_portal_starts_unless_saml_is_configured(environment, monkeypatch):  # noqa: F811
    environment(**PRODUCTION)
    monkeypatch.setattr(conf, "find_spec", lambda name: None)
    assert conf.read().saml_issuer == ""
    environment(**LEAST)
    assert "requirements-saml.txt" in sentence()
    for name in [name for name in sys.modules if name.startswith("onelogin")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "onelogin.saml2.auth", None)
    assert runpy.run_path(str(ROOT / "keys" / "saml" / "library.py"))["Auth"] is None
