"""Drift for people: on a terminal, and as markdown."""
