"""Write the software bill of materials: the pinned Python packages, and the vendored files that are served.

    python .ci/sbom.py [--postgresql] FILE

The format is CycloneDX in JSON. The same sources give the same bytes. Nothing is downloaded: names, versions
and hashes come from requirements.txt and static/vendor/VENDORED.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
FILE = re.compile(r"^(\S+) +npm (\S+) (\S+) +(\S+) +[0-9a-f]{64}$", re.MULTILINE)
MADE_OF = re.compile(r"^(\S+) is made of \w+ of npm (\S+) (\S+)", re.MULTILINE)
PIN = re.compile(r"^([\w.-]+)==.*\n((?: .*\n)+)", re.MULTILINE)


def packages(requirements: str) -> dict[str, Any]:
    """Return the bill of the packages that a requirements file pins."""
    tool = str(Path(sys.executable).with_name("cyclonedx-py"))
    command = [tool, "requirements", requirements, "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--of", "JSON", "--sv", "1.6", "-o", "-"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our own tool
    bill: dict[str, Any] = json.loads(done.stdout)
    root, refs = bill["metadata"]["component"], {one["name"]: one["bom-ref"] for one in bill["components"]}
    needed: dict[str, list[str]] = {ref: [] for ref in [root["bom-ref"], *refs.values()]}
    for name, notes in PIN.findall((ROOT / requirements).read_text()):
        for parent in set(re.findall(r"#(?: +via)? +([\w-]+)", notes)) & {*refs, root["name"]}:
            needed[refs.get(parent, root["bom-ref"])].append(refs[name])
    bill["dependencies"] = [{"ref": ref, "dependsOn": sorted(each)} for ref, each in sorted(needed.items())]
    return bill


def vendored() -> Iterator[dict[str, Any]]:
    """Yield the components of VENDORED.txt, with the hashes of the files as they are."""
    text = (VENDOR / "VENDORED.txt").read_text()
    for file, package, version, source in [
        *FILE.findall(text),
        *((*one, "") for one in MADE_OF.findall(text)),
    ]:
        path = (VENDOR / file).resolve()
        yield {
            "bom-ref": f"vendored-{path.name}",
            "type": "file",
            "name": str(path.relative_to(ROOT)),
            "version": version,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
            "purl": f"pkg:npm/{package}@{version}" + (f"#{source}" if source else ""),
        }


def bill_of(requirements: str) -> str:
    """Return the whole bill as JSON. End the process if it does not match the schema."""
    bill = packages(requirements)
    files = list(vendored())
    bill["components"] += files
    root = next(one for one in bill["dependencies"] if one["ref"] == bill["metadata"]["component"]["bom-ref"])
    root["dependsOn"] += [one["bom-ref"] for one in files]
    text = json.dumps(bill, indent=2, sort_keys=True) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        sys.exit(f"The bill does not match the schema of CycloneDX 1.6: {problem}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the software bill of materials.")
    parser.add_argument("--postgresql", action="store_true", help="of an installation with PostgreSQL")
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    name = "requirements-postgresql.txt" if options.postgresql else "requirements.txt"
    options.file.write_text(bill_of(name))


if __name__ == "__main__":
    main()
