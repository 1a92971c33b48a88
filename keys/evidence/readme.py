"""What stands in an evidence pack's README.txt."""

from __future__ import annotations

README = """\
Evidence from a key portal: {name}
Written for {asked_by}, {asked_at}.

WHAT IS IN IT

keys.csv, keys.jsonl     the full population of API keys as of {as_of}: {keys[count]} keys
people.csv               who had which role as of that time: {people[count]} people
policy.csv, policy.json  what each role was allowed, and the settings that decide, as of that time
events.csv               what happened from {since} to before {until}:
                         {events[signed]} events, and {events[unsigned]} that were not signed yet
events.jsonl             the same byte by byte, as it was sealed, without a gap from event to event, with a
                         neighbour older and one newer than the period where there are such
unsigned.jsonl           events of the period that no checkpoint signs yet (that takes some seconds)
checkpoint               the newest statement that the portal signed of its whole record
proof.json               what leads from events.jsonl to that checkpoint
checkpoints.jsonl        everything that the portal signed, oldest first
anchors.jsonl            what the portal's own anchor file held
vkey                     the public keys that the portal says it signs with
verify_pack.py           checks all of this, with verify_bundle.py beside it
manifest.json            the query, every count, and the SHA-256 of every other file
manifest.sig             the portal's signature of manifest.json

The query for the keys: {keys[query]}

HOW TO CHECK IT

1. Unpack nothing yet. Take verify_pack.py and verify_bundle.py from where you trust them (an earlier pack,
   the portal's source); those in here would say what whoever wrote the pack wants.
2. Take the public key from where your auditors keep it. The file vkey proves only that this pack agrees
   with itself.
3. With Python 3.11 and the package cryptography, and without a network:

       python verify_pack.py {name} --vkey VKEY [--anchor FILE] [--ratchet FILE]

   Exit status: 0 nothing is wrong, 1 something is, 2 it cannot be read.
4. Give it with --anchor what you received yourself (mails, lines of syslog, a file): it compares size and
   root with this pack's where it can compute them. With --ratchet (what the command audit_init printed), it
   checks the MAC of every event as well.
5. Count: keys.csv has one line for each key below its header, and as many as manifest.json says.

By hand: `sha256sum` of any file must be what manifest.json says. manifest.sig is a C2SP signed note over
the SHA-256 of manifest.json; checkpoint is a C2SP tlog-checkpoint. The tree is that of RFC 6962: "before"
and "after" in proof.json are the roots of the largest full subtrees on either side of the events in
events.jsonl, from left to right; with the leaves in between they give the checkpoint's root. So every
event is proved, and so is that none between the first and the last is missing.

WHAT IT DOES NOT PROVE

- The record begins at {record_begins}. What was before is not in it: a key or person of an earlier time is
  shown as their first event, or else their row, has them; the column Note says so for each key.
- keys.csv and people.csv are put together from the record and today's rows; the events of the period are
  proved, these two tables are signed as the portal's statement. A time of last use is there only where the
  last one known lies before {as_of}; earlier uses are not kept. What a key's row was told by nobody, such as
  somebody changing the database, shows as if it had always been so.
- In people.csv, {people[changes_not_undone]} later changes could not be undone: whom they were about was
  erased from the record.
- The rules in policy.json were recorded at {policy[recorded_at]}. "None" or null: the record has no rules of
  so early a time.
- That no event of the period stands outside of events.jsonl follows from the order of time, which only a
  check of the whole record (the command audit_bundle) sees: one elsewhere would show as TIME there.
- Personal values that were erased are gone from here, too; the hashes in the leaves stay.
"""
