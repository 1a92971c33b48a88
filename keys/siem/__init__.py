"""Stream events to a SIEM in the OCSF format."""
