"""Fault injection: ways in which the sandbox can misbehave, and the rules that decide when it does.

Start with ``catalogue``, the list of all faults. A fault may ``prepare`` the request and always has a
``respond`` function; ``inject`` calls them. ``rules`` draws the faults; ``control`` sets the rules over HTTP.
``replies``, ``connection`` and ``gate`` send a reply, break the connection and close the port.
"""
