"""Write the record as a bundle: one .zip with everything that somebody needs who believes nobody."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import IO

from keys.audit.reader import record
from keys.audit.self_check import vkeys
from keys.verifier import verify_bundle

README = """\
This is the record of a key portal: every event, and what proves that none was changed, added or removed.

    python verify_bundle.py {name} --vkey VKEY [--anchor FILE] [--ratchet FILE]

needs Python 3.11 and the package cryptography, and no network. Better still, take verify_bundle.py from
where you trust it. VKEY is the portal's public key as your organisation's auditors keep it; the copy in
the file "vkey" here proves only that this bundle agrees with itself.

events.jsonl       the sealed events by their number; "leaf" is what was sealed, byte by byte
unsealed.jsonl     events that were not sealed yet when this was written
checkpoints.jsonl  what the portal signed, oldest first: signed notes with size and root of the tree
anchors.jsonl      what the portal's anchor file held; compare it with anchors that you keep yourself
vkey               the public keys that the portal says it signs with, one in each line
"""


def write_bundle(file: IO[bytes], name: str = "BUNDLE.zip") -> int:
    """Write a bundle, which its reader knows as ``name``, to ``file``. Returns how many events it holds."""
    written = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for part, lines in record().items():
            with bundle.open(f"{part}.jsonl", "w", force_zip64=True) as out:
                for line in lines:
                    out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                    written += part in {"events", "unsealed"}
        bundle.writestr("vkey", "".join(f"{vkey}\n" for vkey in vkeys()))
        bundle.writestr("README.txt", README.format(name=name))
        bundle.writestr("verify_bundle.py", Path(verify_bundle.__file__).read_text())
    return written
