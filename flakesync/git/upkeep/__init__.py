"""Bare repositories of flakesync's own, over years: packed when many files have come together."""
