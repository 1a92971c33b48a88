"""The page My keys: the keys that a person owns or answers for."""
