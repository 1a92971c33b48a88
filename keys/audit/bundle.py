"""Write the audit log as a bundle: one .zip that an auditor can verify without trusting the portal."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO

from keys.audit.reader import record
from keys.tlog.checkpoint import vkeys
from keys.verifier import verify_bundle

README = """\
This is the audit log of a Cerby Key Portal: every event, with proof that none was changed, added or removed.

    python verify_bundle.py {name} --vkey VKEY [--anchor FILE] [--ratchet FILE]

needs Python 3.11 and the package cryptography, and no network. If possible, use a copy of verify_bundle.py
that you got from a source you trust. VKEY is the portal's public key, as your organisation's auditors keep
it; the copy in the file "vkey" proves only that this bundle is consistent.

events.jsonl       the sealed events in order; "leaf" has the exact bytes that were sealed
unsealed.jsonl     events that were not sealed yet when this bundle was written
checkpoints.jsonl  the signed checkpoints, oldest first: signed notes with the size and root of the tree
anchors.jsonl      the content of the portal's anchor file; compare it with anchors that you keep yourself
vkey               the public keys that the portal claims as its own, one per line
"""


def write_bundle(file: IO[bytes], name: str = "BUNDLE.zip") -> int:
    """Write a bundle to ``file`` and return its number of events. Its README calls the bundle ``name``."""
    events = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for part, lines in record().items():
            with bundle.open(f"{part}.jsonl", "w", force_zip64=True) as out:
                for line in lines:
                    out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                    events += part in {"events", "unsealed"}
        bundle.writestr("vkey", "".join(f"{vkey}\n" for vkey in vkeys()))
        bundle.writestr("README.txt", README.format(name=name))
        bundle.writestr("verify_bundle.py", Path(verify_bundle.__file__).read_text())
    return events
