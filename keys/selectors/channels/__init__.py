"""The pages about channels of notifications."""
