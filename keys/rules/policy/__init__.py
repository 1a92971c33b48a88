"""Define the policy: the rules of the organisation for its keys, as data and pure functions."""
