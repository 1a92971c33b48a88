"""Read campaigns of reviews and their items."""
