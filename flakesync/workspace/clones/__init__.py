"""Clones that a server knows too: whose branches count, how fresh these are, and hosts that do not answer."""
