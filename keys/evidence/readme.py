"""The text of an evidence pack's README.txt."""

from __future__ import annotations

README = """\
Evidence from a Cerby Key Portal: {name}
Written for {asked_by}, {asked_at}.

CONTENTS

keys.csv, keys.jsonl     all API keys as of {as_of}: {keys[count]} keys
people.csv               the role of each person as of that time: {people[count]} people
policy.csv, policy.json  the permissions of each role and the relevant settings as of that time
events.csv               the events from {since} to before {until}:
                         {events[signed]} events, and {events[unsigned]} that were not signed yet
events.jsonl             the same events with their exact sealed bytes, without gaps, and, if they exist, one
                         event from before the period and one from after it
unsigned.jsonl           events of the period that no checkpoint signs yet (signing takes some seconds)
checkpoint               the portal's newest signed statement about its whole audit log
proof.json               the hashes that connect events.jsonl to that checkpoint
checkpoints.jsonl        all checkpoints that the portal signed, oldest first
anchors.jsonl            the content of the portal's own anchor file
vkey                     the public keys that the portal claims as its own
verify_pack.py           checks all of this; it needs verify_bundle.py in the same folder
manifest.json            the query, all counts, and the SHA-256 of every other file
manifest.sig             the portal's signature of manifest.json

The query for the keys: {keys[query]}

HOW TO CHECK IT

1. Do not unpack the file yet. Get verify_pack.py and verify_bundle.py from a source you trust (an earlier
   pack, or the portal's source code). The person who wrote the pack could have changed the copies in here.
2. Get the public key from your auditors. The file vkey proves only that this pack is consistent.
3. With Python 3.11 and the package cryptography, and without a network, run:

       python verify_pack.py {name} --vkey VKEY [--anchor FILE] [--ratchet FILE]

   Exit status: 0 no problem found, 1 problems found, 2 the pack cannot be read.
4. With --anchor, pass the anchors that you received yourself (mails, syslog lines, a file). Their sizes and
   roots are compared with this pack's, if those can be computed from it. With --ratchet, pass the output of
   the command audit_init to check the MAC of every event as well.
5. Count: below its header, keys.csv has one line per key, as many as manifest.json says.

To check by hand: `sha256sum` of each file must match manifest.json. manifest.sig is a C2SP signed note over
the SHA-256 of manifest.json; checkpoint is a C2SP tlog-checkpoint. The tree is an RFC 6962 Merkle tree:
"before" and "after" in proof.json are the roots of the largest full subtrees before and after the events in
events.jsonl, from left to right. Combined with the leaves of these events, they give the checkpoint's root.
This proves each event, and that none between the first and the last is missing.

WHAT IT DOES NOT PROVE

- The audit log begins at {record_begins} and has nothing from before. A key or person from an earlier time is
  shown with the values of their first event or else of their database row; the column Note says so for each
  key.
- keys.csv and people.csv are reconstructed from the audit log and today's database. The events of the period
  are proved; these two tables are signed as the portal's statement. A key's last use is shown only if it was
  before {as_of}; earlier uses are not kept. A key without one may have been used: Cerby publishes no last
  use, so the portal knows it only of keys that a gateway lists. If somebody changed a key directly in the
  database, without an event, the changed value looks as if it had always been there.
- In people.csv, {people[changes_not_undone]} later changes could not be undone: the people were erased.
- The rules in policy.json were recorded at {policy[recorded_at]}. "None" or null means that the audit log has
  no rules from before that time.
- It follows from the order of time that no event of the period is outside events.jsonl. Only a check of the
  whole audit log (the command audit_bundle) can confirm that order: a violation is reported as TIME.
- Erased personal values are missing here as well; their hashes stay in the leaves.
"""

OFFBOARDING = """\

THE LEAVER

Name: {name}
Email: {email}
Disabled in Cerby: {left_at}
Number in the events of this pack: {person}

offboarding.csv and offboarding.jsonl have the {keys} API keys of this person, each with the newest plan or
task in events.jsonl and unsigned.jsonl. verify_pack.py compares both. A key without an event has no plan.
Plans from before the period are not in the pack.
"""

REVIEW = """\

THE REVIEW

Name: {name}
State: {state}
Number in the events of this pack: {campaign}

review.csv and review.jsonl have the {count} API keys of this review, with their values when it opened and
the decisions. verify_pack.py compares the values with the hash in the event review:open, and each decision
with its event. From these events it counts the decisions and the figures of each reviewer again, and it
checks that an Owner or a Super Admin who decided nothing signed off.
"fast" counts decisions in under 3 seconds.
"""
