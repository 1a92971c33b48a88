"""Read the links between people and the sign-in provider."""
