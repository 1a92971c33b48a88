"""The sandbox misbehaves, where it is told to: what it can do wrong, when, and how it is scripted."""
