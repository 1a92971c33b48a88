"""Stream what happened to a SIEM, in the shape of OCSF."""
