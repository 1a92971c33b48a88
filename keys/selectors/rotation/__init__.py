"""Read rotations."""
