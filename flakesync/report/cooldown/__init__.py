"""Cooldowns for people: what waits, and until when."""
