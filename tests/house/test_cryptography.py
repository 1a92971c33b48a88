"""The inventory of keys in docs/security.md names every module that uses cryptography, and none uses a weak hash."""

from __future__ import annotations

import re

from tests.house.project import ROOT, texts

INVENTORY = (ROOT / "docs" / "security.md").read_text().partition("## Updates")[0]
SOURCES = texts("keys/*.py", "portal/*.py", "static/*.js")
USE = re.compile(
    r"^\s*(?:import|from) (?:hashlib|hmac|secrets|ssl|random|cryptography|django\.core\.signing)\b"
    r"|^from django\.core import .*\bsigning\b|salted_hmac|get_random_string|make_token|PasswordHasher"
    r"|update_session_auth_hash|crypto\.subtle|crypto\.getRandomValues",
    re.MULTILINE,
)
WEAK = re.compile(
    r"\b(?:md5|sha1|SHA1|RC4|ARC4|TripleDES|ECB|PKCS1v15|Math\.random|random\.random|crypt\.crypt)\b"
)


def users(sources: dict[str, str]) -> set[str]:
    return {path for path, text in sources.items() if USE.search(text) and "/vendor/" not in path}


def test_every_module_that_uses_cryptography_is_in_the_inventory():
    assert {path for path in users(SOURCES) if f"`{path}`" not in INVENTORY} == set()


def test_the_inventory_names_no_module_that_uses_none():
    named = set(re.findall(r"`((?:keys|static)/(?:crypto|tlog|verifier)[\w/.-]*)`", INVENTORY))
    assert named - users(SOURCES) == set()


def test_a_use_is_found():
    """The known-bad control."""
    assert users({"keys/new.py": "import os\nfrom secrets import token_hex\n"}) == {"keys/new.py"}


def test_no_weak_algorithm_is_used():
    assert {path for path, text in SOURCES.items() if WEAK.search(text) and "/vendor/" not in path} == set()


def test_every_keyed_hash_names_sha_256():
    """Django's own default is SHA-1."""
    calls = [call for text in SOURCES.values() for call in re.findall(r"salted_hmac\((?!\s*\w+:).*", text)]
    assert len(calls) > 2
    assert [call for call in calls if 'algorithm="sha256"' not in call] == []
