"""The evidence pack: what an auditor asks for, as it was at a time, with what proves it."""
