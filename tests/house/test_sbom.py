"""`make sbom` lists every pinned package and every vendored file, with their hashes, in valid CycloneDX."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys

import pytest

from tests.house.project import ROOT

VENDORED = (ROOT / "static" / "vendor" / "VENDORED.txt").read_text()


@pytest.fixture(scope="module")
def bill(tmp_path_factory) -> dict:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run([sys.executable, ROOT / ".ci" / "sbom.py", path], check=True)
    return json.loads(path.read_text())


def pinned(name: str) -> dict[str, set[str]]:
    """Return the packages of a requirements file as "name==version", with their hashes."""
    blocks = re.split(r"^(?=\w)", (ROOT / name).read_text(), flags=re.MULTILINE)
    return {block.split()[0]: set(re.findall(r"sha256:(\w{64})", block)) for block in blocks if block}


def packages(bill: dict) -> dict[str, set[str]]:
    found = {}
    for one in bill["components"]:
        if one["type"] == "library":
            hashes = [each for ref in one["externalReferences"] for each in ref.get("hashes", [])]
            found[f"{one['name']}=={one['version']}"] = {each["content"] for each in hashes}
    return found


def fits_the_schema(bill: object) -> bool:
    # Imported here, because these modules take a second in every worker.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_it_matches_the_schema(bill):
    assert fits_the_schema(bill)


def test_the_schema_would_refuse_something_else(bill):
    """The known-bad control."""
    assert not fits_the_schema(bill | {"components": [{"name": "no type"}]})


def test_it_lists_every_pinned_package_with_its_hashes(bill):
    assert packages(bill) == pinned("requirements.txt")
    assert len(packages(bill)) > 20


def test_it_lists_every_vendored_file_with_its_hash(bill):
    files = {one["name"]: one for one in bill["components"] if one["type"] == "file"}
    in_folder = (path for path in (ROOT / "static" / "vendor").iterdir() if path.suffix != ".txt")
    assert files.keys() == {"static/icons.svg", *(str(path.relative_to(ROOT)) for path in in_folder)}
    for name, one in files.items():
        digest = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        assert one["hashes"] == [{"alg": "SHA-256", "content": digest}]
        assert one["purl"].startswith("pkg:npm/")


def test_a_vendored_file_is_the_one_that_was_recorded():
    for file, digest in re.findall(r"^(\S+\.js) .* ([0-9a-f]{64})$", VENDORED, re.MULTILINE):
        assert hashlib.sha256((ROOT / "static" / "vendor" / file).read_bytes()).hexdigest() == digest


def test_it_shows_which_package_needs_which(bill):
    refs = {one["bom-ref"]: one["name"] for one in bill["components"]}
    needs = {
        refs.get(one["ref"]): {refs[ref] for ref in one.get("dependsOn", [])} for one in bill["dependencies"]
    }
    assert "asgiref" in needs["django"]
    assert "django" in needs[None]  # the portal itself
    assert "asgiref" not in needs[None]
