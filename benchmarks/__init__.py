"""What the portal costs, measured: `make bench`. The tests never run this."""
