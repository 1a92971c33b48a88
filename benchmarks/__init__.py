"""Measure the portal's performance with `make bench`. The tests never run this."""
