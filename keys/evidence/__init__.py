"""The evidence pack: keys, people, policy and events as of a past time, with their proofs, for auditors."""
