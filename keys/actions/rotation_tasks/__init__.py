"""Ask people to rotate keys by a day."""
